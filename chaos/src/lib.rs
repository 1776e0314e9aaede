//! Faults for real: agents and approvers at work before real processes, a nemesis among them, and a checker
//! afterwards that compares what clients were told with what the database, the approvals and the recordings say.
//!
//! Seeded: the same seed brings the same plan of faults and the same choices; what the scheduler makes of them
//! differs from run to run. Nothing of the product but its wire types is linked in.

pub mod agent;
pub mod answer;
pub mod api;
pub mod approver;
pub mod checker;
pub mod collect;
pub mod command;
pub mod history;
pub mod nemesis;
pub mod operator;
pub mod recordings;
pub mod remains;
pub mod report;
pub mod run;
pub mod stage;
pub mod store;
pub mod story;
