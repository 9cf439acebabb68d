//! Exit codes of the command-line tools.

/// Done.
pub const DONE: u8 = 0;
/// The job, or the command, failed.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Completed, but some items failed.
pub const PARTIAL: u8 = 3;
/// Not authorised.
pub const NOT_AUTHORISED: u8 = 4;
/// No such job, list or file.
pub const NOT_FOUND: u8 = 5;
/// The job was cancelled.
pub const CANCELLED: u8 = 6;
/// The server can not be reached or started.
pub const UNREACHABLE: u8 = 7;
/// Waiting took longer than allowed; the job goes on.
pub const TIMED_OUT: u8 = 8;
/// Ctrl-C while following; the job goes on.
pub const DETACHED: u8 = 130;
