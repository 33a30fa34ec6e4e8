//! Each feature's ports, implemented over the others.

pub(crate) mod catalog;
pub(crate) mod commands;
pub(crate) mod credentials;
pub(crate) mod deeds;
pub(crate) mod late;
pub(crate) mod models;
pub(crate) mod notices;
pub(crate) mod permissions;
pub(crate) mod sub_agents;
pub(crate) mod toolbox;
pub mod transport;
