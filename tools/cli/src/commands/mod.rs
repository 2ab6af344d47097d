//! The commands: each parses nothing and decides nothing; it drives a run or a measure and shows
//! it.

pub mod bench;
pub mod classify;
pub mod convert;
pub mod demo;
pub mod evaluate;
pub mod impute;
pub mod inspect;
pub mod reproduce;
pub mod sample;
pub mod train;
pub mod transform;
pub mod verify;
