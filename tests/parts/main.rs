//! What parts of the library promise on their own.

mod activity;
mod autocorrelation;
mod bennett;
mod best;
mod bits;
mod bound;
mod joint;
mod jumps;
mod matrices;
mod moments;
mod normal;
mod patterns;
mod plans;
mod units;
mod values;
