//! Screens as texts, and laws of the state.

mod laws;
mod screens;
mod world;
