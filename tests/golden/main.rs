//! Parity with independent programs, whose results lie in files here.

mod numpy_parity;
