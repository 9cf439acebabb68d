//! Long operations in the background, never lost: the engine and its stores
