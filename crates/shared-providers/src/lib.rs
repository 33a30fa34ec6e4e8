//! Language model messages, usage, prices and budgets.

#![forbid(unsafe_code)]
