//! Local stand-ins for the services that the systems talk to
