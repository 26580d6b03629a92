//! smoltalk.
pub mod limits;
pub mod lines;
pub mod protocol;
pub mod text;
