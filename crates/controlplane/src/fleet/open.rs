//! A link begins: its Hello is checked, the gateway is entered among the nodes, and welcomed.

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_api::{
    BadField, LINK_SPEAKS, LINK_SPEAKS_OLDEST, duration_to_wire, parsed, timestamp_to_wire, v1,
};
use countersign_common::Timestamp;
use countersign_common::id::BundleVersion;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::Fleet;
use super::link::{Came, Link, Outbox, Outgoing, lost, outbox};
use super::links::Handle;
use super::lost::drain;
use super::member::Member;
use super::nodes::{Arrival, Node, RegisterError, Registered};
use crate::store::StoreError;

/// How long a gateway may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The longest version of the product, and of a bundle, that a gateway may name, in characters.
const SOFTWARE_MAX: usize = 64;
const BUNDLE_VERSION_MAX: usize = 64;

/// Why a link was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Opening {
    /// The first frame is not a Hello, or comes with others.
    #[error("the first frame of a link is a hello, alone")]
    NoHello,
    /// It cannot be read.
    #[error(transparent)]
    Field(#[from] BadField),
    /// The gateway is more than one release older than this node.
    #[error(
        "the gateway speaks version {speaks} of the link's language, {LINK_SPEAKS_OLDEST} is the oldest here; update it"
    )]
    TooOld {
        /// What it speaks.
        speaks: u32,
    },
    /// This node does not reach its store, or does not follow it.
    #[error("this control-plane node does not reach its store, or does not follow it; try another one")]
    NoStore,
    /// This node ends.
    #[error("this control-plane node ends; try another one")]
    Ending,
    /// The gateway was shut out.
    #[error("this gateway was revoked")]
    Revoked,
    /// It cannot be found out whether it was.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway could not be entered.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The stream broke.
    #[error("{0}")]
    Broken(Status),
}

impl Fleet {
    /// Opens a link for a gateway; what comes out is the answer to its call.
    pub(crate) async fn open_link(
        self: &Arc<Self>,
        member: Member,
        until: Timestamp,
        mut incoming: Streaming<v1::LinkRequest>,
        stop: watch::Receiver<bool>,
    ) -> Result<Outgoing, Opening> {
        let hello = tokio::time::timeout(HELLO_WITHIN, incoming.message()).await;
        let hello = hello.map_err(|_| Opening::NoHello)?.map_err(Opening::Broken)?;
        let arrival = arrival(hello, &member)?;
        if *stop.borrow() {
            return Err(Opening::Ending);
        }
        // INVARIANT: I8. Who does not reach the store, or does not follow it, takes nobody in.
        if !self.vouches() {
            return Err(Opening::NoStore);
        }
        let (outbox, outgoing) = outbox();
        match self.nodes().register(&arrival).await? {
            Registered::Lost => {
                tracing::warn!(gateway = %member.name, node = %arrival.id, "a gateway that was declared lost came back");
                outbox.send(lost());
                outbox.close(None);
            }
            Registered::Alive(node) => {
                let handle = self.links().open(node.id, member.id.clone(), outbox.clone());
                // Looked up when the link can be found: who is shut out later is told over it.
                self.still_wanted(&member, &node, &handle).await?;
                tracing::info!(gateway = %member.name, node = %arrival.id, "a gateway has opened a link");
                // It may have gone on to another node while this one wrote it down, and the news of that came before there
                // was a link to end.
                self.node_changed(node.id);
                self.welcome(&node, &outbox);
                if node.gateway().is_some_and(|gateway| gateway.draining) && handle.drain() {
                    outbox.send(drain());
                }
                let came = Came { member, until, bundle: arrival.bundle };
                let link = Link::new(Arc::clone(self), *node, came, handle, outbox);
                // Its fate: it ends with its stream, at the latest when the server has drained.
                tokio::spawn(Arc::new(link).run(incoming, stop));
            }
        }
        Ok(outgoing)
    }

    async fn still_wanted(&self, member: &Member, node: &Node, handle: &Handle) -> Result<(), Opening> {
        let revoked = self.revoked().is_revoked(member).await;
        if matches!(revoked, Ok(false)) {
            return Ok(());
        }
        self.links().close(handle);
        if revoked? {
            // Nothing of it stays: it may have been entered a moment ago.
            self.nodes().goodbye(node).await?;
        }
        Err(Opening::Revoked)
    }

    fn welcome(&self, node: &Node, outbox: &Outbox) {
        outbox.send(Frame::Welcome(v1::Welcome {
            node: self.control().node().to_string(),
            bundle_lease: Some(duration_to_wire(self.options().bundle_lease)),
            route: node.gateway().map_or(0, |gateway| gateway.route),
            time: Some(timestamp_to_wire(self.control().clock().now())),
            speaks: LINK_SPEAKS,
            cancel_secret: self.vouchers().secret_of(node.id),
        }));
    }
}

/// Who comes, as its Hello and its certificate say.
fn arrival(message: Option<v1::LinkRequest>, member: &Member) -> Result<Arrival, Opening> {
    let mut frames = message.map(|message| message.frames).unwrap_or_default();
    let hello = match (frames.pop().and_then(|frame| frame.frame), frames.is_empty()) {
        (Some(FromGateway::Hello(hello)), true) => hello,
        _ => return Err(Opening::NoHello),
    };
    if hello.speaks < LINK_SPEAKS_OLDEST {
        return Err(Opening::TooOld { speaks: hello.speaks });
    }
    Ok(Arrival {
        id: parsed(&hello.node, "hello.node")?,
        member: member.clone(),
        bundle: bundle_version(&hello.bundle_version),
        software: hello.software_version.chars().filter(char::is_ascii_graphic).take(SOFTWARE_MAX).collect(),
    })
}

/// The version of a bundle, as a gateway names it; `None`: it names none, or none that we ever gave it. It is stored, and
/// shown to people.
pub(super) fn bundle_version(text: &str) -> Option<BundleVersion> {
    let is_one = (1..=BUNDLE_VERSION_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_one.then(|| text.into())
}
