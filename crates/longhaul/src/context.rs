//! What a running handler talks to.

/// What a running handler talks to.
#[derive(Debug)]
pub struct Context {}
