//! The scripted model: it plays a scenario, for use without a key, in demonstrations and in tests.
//!
//! It keeps nothing: where it stands is read off the conversation that it is sent, so that a session which is resumed in
//! another process goes on at the right turn. Only how often a turn has failed is remembered.

mod failure;
mod file;
mod fill;
mod model;
mod plan;
mod position;
#[cfg(test)]
mod tests;

pub use file::{InvalidScenario, Scenario};
pub use model::ScenarioModel;
