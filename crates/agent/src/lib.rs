//! The agent: the features, wired together over the ports that they own.
//!
//! No feature knows another. Here each one's ports are implemented over the others (`adapters`), and the language model, the
//! plugins and the configuration are handed to them.

#![forbid(unsafe_code)]
