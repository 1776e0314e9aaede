//! For tests and chores: real servers on free ports in temporary folders, a small shop of made-up data,
//! certificates, and real client programs that are told what to do.
//!
//! Everything here is blocking and free of global state. What is started is ended by its process id
//! when its value is dropped, and also when the process that started it dies. Leaves to the tests what
//! to expect; never part of a product binary.

mod account;
mod bundle;
mod certificates;
mod client;
mod cluster;
mod countersign;
mod dice;
mod etcd;
mod fault_proxy;
mod fleet;
mod folder;
mod haproxy;
mod network;
mod pgbouncer;
mod place;
mod postgres;
mod process;
mod product;
mod program;
mod redis;
mod s3;
pub mod usage;
mod wait;
mod wire;
mod work;

pub use account::Account;
pub use bundle::{Bundle, Terms};
pub use certificates::Certificates;
pub use client::{Client, ClientKind, Dsn};
pub use cluster::{Cluster, ClusterOptions, Journal, Part};
pub use countersign::{Countersign, DevOptions, binary, use_binary};
pub use dice::Dice;
pub use etcd::{Etcd, EtcdCertificates, EtcdCluster, EtcdOptions};
pub use fault_proxy::{Cut, Fault, FaultProxy};
pub use fleet::Fleet;
pub use folder::{Folder, build_folder};
pub use haproxy::{Backend, HaProxy, HaProxyOptions};
pub use network::Network;
pub use pgbouncer::{PgBouncer, PgBouncerOptions};
pub use place::Place;
pub use postgres::shop;
pub use postgres::{Auth, Postgres, PostgresOptions};
pub use process::{Process, Signal};
pub use program::Program;
pub use redis::{Redis, RedisOptions, Sentinels};
pub use s3::{S3, S3Options};
pub use wait::{eventually, free_port, lasting_port};
pub use wire::{Frame, RawClient, tagged, untagged};
pub use work::ordinary_work;
