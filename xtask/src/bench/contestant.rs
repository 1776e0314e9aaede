//! Who takes part: the server itself, PgBouncer, Countersign with everything on.

use anyhow::Result;
use clap::ValueEnum;
use countersign_testkit::{
    Bundle, Countersign, Dsn, Fleet, PgBouncer, PgBouncerOptions, Postgres, Terms, build_folder, shop,
};

use crate::run;

/// The kinds, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// PostgreSQL itself.
    Direct,
    /// PgBouncer in session mode with its default buffers.
    Pgbouncer,
    /// Countersign: judged, recorded, nothing masked.
    Countersign,
    /// The same as two processes: a gateway linked to a control plane with the embedded store.
    Fleet,
    /// Countersign with three of ten columns masked.
    Masking,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Direct, Self::Pgbouncer, Self::Countersign, Self::Fleet, Self::Masking];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pgbouncer => "PgBouncer",
            Self::Countersign => "Countersign",
            Self::Fleet => "Countersign, two processes",
            Self::Masking => "Countersign, masking",
        }
    }
}

/// One that has started.
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    pub(crate) dsn: Dsn,
    /// The process between client and server; `None` when there is none.
    pub(crate) proxy: Option<u32>,
    /// Another process that works for it.
    pub(crate) helper: Option<u32>,
    pub(crate) keeps: Keeps,
}

/// What lives as long as it takes part.
pub(crate) enum Keeps {
    Nothing,
    PgBouncer(#[expect(dead_code, reason = "held for its Drop")] Box<PgBouncer>),
    Countersign(Box<(Countersign, Bundle)>),
    Fleet(#[expect(dead_code, reason = "held for its Drop")] Box<(Fleet, Bundle)>),
}

impl Contestant {
    pub(crate) fn start(kind: Kind, server: &Postgres) -> Result<Self> {
        match kind {
            Kind::Direct => {
                Ok(Self { kind, dsn: server.dsn(), proxy: None, helper: None, keeps: Keeps::Nothing })
            }
            Kind::Pgbouncer => {
                let bouncer = PgBouncer::start(server, &PgBouncerOptions::default())?;
                let (dsn, proxy) = (bouncer.dsn().clone(), Some(bouncer.id()));
                Ok(Self { kind, dsn, proxy, helper: None, keeps: Keeps::PgBouncer(Box::new(bouncer)) })
            }
            Kind::Countersign => Self::countersign(kind, example(server)?),
            Kind::Fleet => Self::fleet(example(server)?),
            Kind::Masking => {
                let bundle = Bundle::example(server, &Terms::default())?;
                bundle.replace("masking.yaml", super::workload::MASKING)?;
                Self::countersign(kind, bundle)
            }
        }
    }

    fn countersign(kind: Kind, bundle: Bundle) -> Result<Self> {
        let gateway = Countersign::start(bundle.dev())?;
        let token = gateway.token("bench", "agent", &["agents"])?;
        let dsn = gateway.dsn("shop", &token, shop::DATABASE);
        let proxy = Some(gateway.id());
        Ok(Self { kind, dsn, proxy, helper: None, keeps: Keeps::Countersign(Box::new((gateway, bundle))) })
    }

    fn fleet(bundle: Bundle) -> Result<Self> {
        let fleet = Fleet::start(bundle.dev(), 1)?;
        let token = fleet.control().token("bench", "agent", &["agents"])?;
        let dsn = fleet.dsn(0, "shop", &token, shop::DATABASE)?;
        let (proxy, helper) = (Some(fleet.gateway_id(0)?), Some(fleet.control().id()));
        Ok(Self { kind: Kind::Fleet, dsn, proxy, helper, keeps: Keeps::Fleet(Box::new((fleet, bundle))) })
    }
}

/// The example, with room for the large parameter of [`super::memory`].
fn example(server: &Postgres) -> Result<Bundle> {
    let bundle = Bundle::example(server, &Terms::default())?;
    bundle.judge_up_to(2 * super::memory::LARGE_BYTES)?;
    Ok(bundle)
}

/// Builds Countersign as users get it, and lets it be found.
pub(crate) fn build() -> Result<()> {
    run::show(&mut run::cargo(&["build", "--locked", "--release", "--package", "countersign-cli"]))?;
    let binary = build_folder()?.join("release/countersign");
    anyhow::ensure!(binary.is_file(), "no `{}`", binary.display());
    countersign_testkit::use_binary(binary)
}
