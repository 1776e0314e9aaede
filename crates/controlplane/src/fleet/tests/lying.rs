//! A gateway that lies about a held command: what it states is overridden or refused, and noted. Real calls over a real
//! link, with the real policy engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_common::approval::Approval;
use countersign_common::command::{self, Command, Context, Parameter};
use countersign_common::facts::{Action, Operation};
use countersign_common::facts_basis::{CatalogueStanding, FactsBasis};
use countersign_common::id::RoleName;
use countersign_common::{Digest, Facts};
use countersign_lifecycle::ports::HeldCatalogue as _;
use countersign_postgres::facts::{Basis, CatalogueCopy, derive};
use countersign_sql::catalogue::Rows;
use countersign_sql::{Catalogue, Reader};

use super::bed::{Bed, Running};
use super::gateway::{Linked, Member};
use crate::approvals::Details;
use crate::audit::Looked;
use crate::bundles::{Current, Files, PolicyCompiler};
use crate::sessions::Session;
use crate::testing::{agent, human, target, terms};

const TARGETS: &str = "
targets:
  shop: { url: 'postgres://app@127.0.0.1/shop', environment: production, databases: [other] }
";

const CHAINS: &str = "
chains:
  dba: { timeout: 1h, stages: [{ groups: [dba], quorum: 2 }] }
  juniors: { timeout: 1h, stages: [{ groups: [juniors] }] }
";

const MASKING: &str = "
chain: dba
rules:
  - { target: shop, relation: public.customers, column: email, class: email, action: redact }
";

/// Two of the dba have to agree to writes of payments, a junior to other writes and to what is not known; reads are not
/// held, and nobody drops anything.
const POLICY: &str = r#"
@id("all") permit (principal, action in Action::"command", resource);
@id("payments") @approval("dba") forbid (principal, action in Action::"write", resource)
  when { context.writes.contains("public.payments") };
@id("others") @approval("juniors") forbid (principal, action in Action::"write", resource)
  unless { context.writes.contains("public.payments") };
@id("unknown") @approval("juniors") forbid (principal, action in Action::"unknown", resource);
@id("drops") forbid (principal, action == Action::"sql:drop", resource);
"#;

fn bundle() -> Files {
    let files =
        [("p.cedar", POLICY), ("targets.yaml", TARGETS), ("chains.yaml", CHAINS), ("masking.yaml", MASKING)];
    files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<Option<String>> {
    cells.into_iter().map(|cell| (cell != "-").then(|| cell.to_owned())).collect()
}

/// Tables `payments`, `notes` and `customers`, and the view `open` over the table that is named.
fn catalogue(view_over: &str) -> Arc<Catalogue> {
    let mut rows: Vec<Rows> = vec![Vec::new(); 15];
    let relations = [
        ("20001", "payments", "r"),
        ("20002", "notes", "r"),
        ("20003", "customers", "r"),
        ("20004", "open", "v"),
    ];
    for (oid, name, kind) in relations {
        rows[0].push(cells([oid, "public", name, kind, "1", "2200", "p", "f", "-"]));
        rows[1].push(cells([oid, "1", "id", "0", "23"]));
        rows[1].push(cells([oid, "2", "email", "0", "25"]));
    }
    let view = format!("SELECT id, email FROM public.{view_over}");
    rows[14].push(cells(["v", "20004", view.as_str()]));
    Arc::new(Catalogue::from_rows(&rows).unwrap())
}

/// A gateway with one client.
struct Gateway {
    link: Linked,
    session: Session,
    current: Arc<Current>,
}

impl Gateway {
    async fn new(node: &Running, name: &str) -> Self {
        let link = Member::join(node, name).await.link(node).await;
        let session = node.scratch.session(&agent()).await;
        let current = node.scratch.control.bundles().current().unwrap();
        Self { link, session, current }
    }

    fn context(&self) -> Context {
        let settings = [
            ("schemas", "pg_catalog,public"),
            ("search_path", "public"),
            ("standard_conforming_strings", "on"),
            ("client_encoding", "UTF8"),
            ("server_encoding", "UTF8"),
        ];
        Context {
            target: target("shop"),
            generation: self.current.judge.generation(&target("shop")).unwrap(),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            transaction: None,
            texts: Vec::new(),
        }
    }

    /// What an honest gateway says of a command that it has read by this catalogue.
    fn honest(&self, text: &str, by: Option<&Arc<Catalogue>>) -> v1::HoldCommand {
        self.saying(text, self.context(), by)
    }

    fn saying(&self, text: &str, context: Context, by: Option<&Arc<Catalogue>>) -> v1::HoldCommand {
        let command = Command { form: "query".into(), text: text.to_owned().into(), parameters: Vec::new() };
        let facts = self.facts(&command, &context, by);
        let question = crate::bundles::Question {
            principal: &self.session.principal,
            context: &context,
            facts: &facts,
            now: self.session.opened_at,
        };
        let terms = match self.current.judge.judge(&question) {
            countersign_common::Verdict::Hold(terms, _) => (*terms).clone(),
            _ => terms("nobody", 1),
        };
        v1::HoldCommand {
            digest: command::digest(&command, &context, &self.session.principal, self.session.id)
                .as_bytes()
                .to_vec(),
            session_id: self.session.id.to_string(),
            command: Some((&command).into()),
            context: Some((&context).into()),
            facts: Some((&facts).into()),
            terms: Some((&terms).into()),
            bundle_version: self.current.version.to_string(),
            locks_held: Vec::new(),
            session_proof: Vec::new(),
            catalogue_digest: by.map(|by| copy(by).digest().as_bytes().to_vec()).unwrap_or_default(),
            catalogue_refused: false,
        }
    }

    fn facts(&self, command: &Command, context: &Context, by: Option<&Arc<Catalogue>>) -> Facts {
        let empty = Arc::new(Catalogue::empty());
        let terms = self.current.judge.reading_terms(&context.target).unwrap();
        let basis = Basis {
            catalogue: by.unwrap_or(&empty),
            safe_functions: &terms.safe_functions,
            rules: &terms.rules,
        };
        derive(&Reader::new(), command, context, &basis).facts
    }

    /// Asks, and uploads what is wanted.
    async fn hold(&mut self, hold: v1::HoldCommand, catalogue: Option<&Arc<Catalogue>>) -> Answer {
        match self.link.call(Call::Hold(hold.clone())).await {
            Answer::CatalogueWanted(_) => {}
            other => return other,
        }
        let uploaded = self.upload(catalogue.unwrap(), &hold.catalogue_digest).await;
        assert!(matches!(uploaded, Answer::Done(_)), "{uploaded:?}");
        self.link.call(Call::Hold(hold)).await
    }

    async fn upload(&mut self, catalogue: &Arc<Catalogue>, digest: &[u8]) -> Answer {
        self.upload_bytes(copy(catalogue).compressed(), digest).await
    }

    async fn upload_bytes(&mut self, content: Vec<u8>, digest: &[u8]) -> Answer {
        let upload = v1::UploadCatalogue {
            session_id: self.session.id.to_string(),
            session_proof: Vec::new(),
            database: "shop".into(),
            digest: digest.to_vec(),
            content,
        };
        self.link.call(Call::UploadCatalogue(upload)).await
    }
}

fn copy(catalogue: &Arc<Catalogue>) -> CatalogueCopy {
    CatalogueCopy::of(&target("shop"), "shop", Arc::clone(catalogue))
}

fn approval(answer: Answer) -> Approval {
    match answer {
        Answer::Approval(approval) => approval.try_into().unwrap(),
        other => panic!("not held: {other:?}"),
    }
}

fn not_taken(answer: Answer) -> v1::NotTaken {
    match answer {
        Answer::NotTaken(no) => no,
        other => panic!("taken: {other:?}"),
    }
}

async fn bed() -> (Bed, Running) {
    let mut bed = Bed::new().await;
    bed.compiler = Arc::new(PolicyCompiler::default());
    bed.bundle = bundle();
    let node = bed.node().await;
    (bed, node)
}

async fn details(node: &Running, approval: &Approval) -> Details {
    node.scratch.control.approvals().details(approval.id).await.unwrap()
}

/// What was noted of gateways, newest first.
async fn alarms(node: &Running) -> Vec<String> {
    let events = node.scratch.control.audit().events(100).await.unwrap();
    let of_gateways = events.into_iter().filter(|event| event.action == Looked::GatewayDiffers);
    of_gateways.filter_map(|event| event.reason).collect()
}

fn chains(approval: &Approval) -> Vec<&str> {
    approval.terms.chains.iter().map(|chain| chain.as_str()).collect()
}

const STATED_LESS: &str = "it stated less than the command does";

#[tokio::test]
async fn an_honest_gateway_raises_no_alarm_and_a_second_one_makes_its_catalogue_agreed() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut first = Gateway::new(&node, "gateway-1").await;
    let hold = first.honest("DELETE FROM payments", Some(&catalogue));
    let held = approval(first.hold(hold, Some(&catalogue)).await);
    assert_eq!((chains(&held), held.terms.stages[0].quorum), (vec!["dba"], 2));
    let shown = details(&node, &held).await;
    assert_eq!(shown.basis, Some(FactsBasis { catalogue: CatalogueStanding::Claimed, understated: false }));
    assert_eq!(shown.stated, None);
    assert!(
        shown.rendering.contains("\ndefinitions of the database: claimed by one gateway\n"),
        "{}",
        shown.rendering
    );
    // It is there already: nobody uploads it again.
    let mut second = Gateway::new(&node, "gateway-2").await;
    let hold = second.honest("DELETE FROM notes", Some(&catalogue));
    let held = approval(second.link.call(Call::Hold(hold)).await);
    assert_eq!(chains(&held), ["juniors"]);
    let shown = details(&node, &held).await;
    assert_eq!(shown.basis, Some(FactsBasis { catalogue: CatalogueStanding::Agreed, understated: false }));
    assert!(shown.rendering.contains("\ndefinitions of the database: two gateways agree on them\n"));
    assert_eq!(alarms(&node).await, Vec::<String>::new());
}

#[tokio::test]
async fn false_facts_are_replaced_by_what_the_command_does_and_noted() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let harmless = gateway.honest("DELETE FROM notes", Some(&catalogue));
    let mut hold = gateway.honest("DELETE FROM payments", Some(&catalogue));
    hold.facts.clone_from(&harmless.facts);
    hold.terms.clone_from(&harmless.terms);
    let held = approval(gateway.hold(hold.clone(), Some(&catalogue)).await);
    // Both: what the command does, and what the gateway says that it does.
    assert!(chains(&held).contains(&"dba"), "{:?}", held.terms);
    let shown = details(&node, &held).await;
    assert!(shown.facts.operations.iter().any(|one| one.writes.contains("public.payments")));
    assert!(shown.basis.unwrap().understated);
    let stated = shown.stated.unwrap();
    assert!(stated.operations.iter().all(|one| one.writes.contains("public.notes")));
    assert!(shown.rendering.contains("\nwarning: the gateway stated less than this command does\n"));
    assert_eq!(alarms(&node).await, [STATED_LESS]);
    // Nothing at all.
    let mut hold = gateway.honest("DELETE FROM payments WHERE id = 1", Some(&catalogue));
    hold.facts = Some((&Facts::nothing()).into());
    let held = approval(gateway.link.call(Call::Hold(hold)).await);
    assert_eq!(chains(&held), ["dba"]);
    assert_eq!(alarms(&node).await.len(), 2);
    // A juniors' yes is no yes.
    let yes = crate::approvals::Decide {
        id: held.id,
        by: human("junior", &["juniors"]),
        vote: countersign_common::approval::Vote::Approve,
        reason: None,
        method: "token".into(),
        rendering: held.rendering,
        issuers: Default::default(),
        only_target: None,
    };
    assert!(node.scratch.control.approvals().decide(yes).await.is_err());
}

#[tokio::test]
async fn false_terms_are_replaced_by_those_of_policy_and_noted() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let mut hold = gateway.honest("DELETE FROM payments", Some(&catalogue));
    hold.terms = Some((&terms("juniors", 1)).into());
    let held = approval(gateway.hold(hold, Some(&catalogue)).await);
    assert_eq!((chains(&held), held.terms.stages[0].quorum), (vec!["dba"], 2));
    assert_eq!(alarms(&node).await, ["it stated other terms than policy has"]);
}

#[tokio::test]
async fn what_policy_blocks_or_lets_run_is_not_held_whatever_a_gateway_states() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let harmless = gateway.honest("DELETE FROM notes", Some(&catalogue));
    let mut drop = gateway.honest("DROP TABLE payments", Some(&catalogue));
    drop.facts.clone_from(&harmless.facts);
    let no = not_taken(gateway.hold(drop, Some(&catalogue)).await);
    assert!(no.blocked, "{no:?}");
    assert_eq!(alarms(&node).await, [STATED_LESS]);
    let mut read = gateway.honest("SELECT id FROM notes", Some(&catalogue));
    read.terms = Some((&terms("juniors", 1)).into());
    let answer = gateway.link.call(Call::Hold(read)).await;
    assert!(matches!(answer, Answer::Unavailable(_)), "{answer:?}");
    let (open, _) = node.scratch.control.approvals().list_going_on();
    assert!(open.is_empty());
}

/// A masked value that leaves by a side channel, and a predicate over a masked column.
#[tokio::test]
async fn i6_masked_uses_are_found_whatever_a_gateway_states() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let stating = |hold: &mut v1::HoldCommand| {
        for operation in &mut hold.facts.as_mut().unwrap().operations {
            operation.copied_classes.clear();
            operation.predicate_classes.clear();
            operation.equality_classes.clear();
        }
    };
    let mut copies = gateway.honest("UPDATE notes SET email = c.email FROM customers c", Some(&catalogue));
    stating(&mut copies);
    let held = approval(gateway.hold(copies, Some(&catalogue)).await);
    assert!(chains(&held).contains(&"dba"), "{:?}", held.terms);
    let mut leaves = gateway.honest("SELECT pg_notify('a', email) FROM customers", Some(&catalogue));
    stating(&mut leaves);
    let no = not_taken(gateway.link.call(Call::Hold(leaves)).await);
    assert!(no.blocked && no.reason.contains("public.customers.email"), "{no:?}");
    assert_eq!(alarms(&node).await, [STATED_LESS, STATED_LESS]);
}

#[tokio::test]
async fn a_false_digest_principal_role_or_database_is_refused_and_noted() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let honest = gateway.honest("DELETE FROM payments", Some(&catalogue));
    // The digest of another command, and of the same by somebody else.
    let other = gateway.honest("DELETE FROM notes", Some(&catalogue)).digest;
    let (command, context) = (honest.command.clone().unwrap(), honest.context.clone().unwrap());
    let as_other = command::digest(
        &command.try_into().unwrap(),
        &context.try_into().unwrap(),
        &human("carol", &["dba"]),
        gateway.session.id,
    );
    for digest in [other, as_other.as_bytes().to_vec()] {
        let no = not_taken(gateway.link.call(Call::Hold(v1::HoldCommand { digest, ..honest.clone() })).await);
        assert!(no.digest_mismatch, "{no:?}");
    }
    // Of another session, which it was never shown.
    let stranger = node.scratch.session(&human("carol", &[])).await;
    let foreign = v1::HoldCommand { session_id: stranger.id.to_string(), ..honest.clone() };
    let foreign =
        v1::HoldCommand { session_proof: gateway.link.proof(&gateway.session.id.to_string()), ..foreign };
    not_taken(gateway.link.call_as_it_is(Call::Hold(foreign)).await);
    let places = [("dba", "shop"), ("app", "secrets")];
    for (role, database) in places {
        let mut context = gateway.context();
        context.role = RoleName::new(role).unwrap();
        context.database = database.into();
        let hold = gateway.saying("DELETE FROM payments", context, None);
        not_taken(gateway.link.call(Call::Hold(hold)).await);
    }
    let noted = alarms(&node).await;
    assert_eq!(noted.len(), 4, "{noted:?}");
    assert!(noted[0].contains("secrets") && noted[1].contains("role `dba`"), "{noted:?}");
    assert!(noted[2].contains("digest") && noted[3].contains("digest"));
    let (open, _) = node.scratch.control.approvals().list_going_on();
    assert!(open.is_empty());
}

/// A rendering is nothing that a gateway sends: it is made here, of the command that has the digest.
#[tokio::test]
async fn i2_same_what_people_are_shown_is_made_from_the_command_itself() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let hold = gateway.honest("DELETE FROM payments\n-- with search_path = x", Some(&catalogue));
    let held = approval(gateway.hold(hold, Some(&catalogue)).await);
    let shown = details(&node, &held).await;
    let basis = shown.basis;
    let made =
        countersign_common::rendering::Rendering::of(&shown.command, &shown.context, &held.requester, basis);
    assert_eq!((made.text, made.digest), (shown.rendering, held.rendering));
}

/// The view shows another table than the gateway says. Only the gateway's word says what a name stands for, and approvers
/// are told so; a gateway that says otherwise gets another catalogue, and neither is agreed.
#[tokio::test]
async fn a_false_catalogue_is_claimed_by_one_gateway_only() {
    let (_bed, node) = bed().await;
    let (false_one, true_one) = (catalogue("notes"), catalogue("payments"));
    let mut liar = Gateway::new(&node, "gateway-1").await;
    let mut honest = Gateway::new(&node, "gateway-2").await;
    let hold = liar.honest("DELETE FROM open", Some(&false_one));
    let held = approval(liar.hold(hold, Some(&false_one)).await);
    let claimed = Some(FactsBasis { catalogue: CatalogueStanding::Claimed, understated: false });
    assert_eq!(details(&node, &held).await.basis, claimed);
    let hold = honest.honest("DELETE FROM open", Some(&true_one));
    let held = approval(honest.hold(hold, Some(&true_one)).await);
    assert_eq!(details(&node, &held).await.basis, claimed);
    // Facts by one catalogue under the name of another.
    let mut hold = liar.honest("DELETE FROM notes", Some(&true_one));
    let by_nothing = liar.honest("DELETE FROM nowhere", Some(&true_one));
    hold.facts = by_nothing.facts;
    approval(liar.link.call(Call::Hold(hold)).await);
    assert_eq!(alarms(&node).await, [STATED_LESS]);
}

#[tokio::test]
async fn a_hostile_catalogue_is_refused_and_the_command_judged_without_one() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let mut hold = gateway.honest("DELETE FROM payments", Some(&catalogue));
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 1 << 26), 1).unwrap();
    let (digest, other) = (hold.catalogue_digest.clone(), Digest::of(b"other").as_bytes().to_vec());
    let good = copy(&catalogue).compressed();
    let uploads = [
        (bomb, digest.clone()),
        (b"nothing of the kind".to_vec(), digest.clone()),
        (good[..good.len() / 2].to_vec(), digest.clone()),
        (good.clone(), other),
        (vec![0; 9 << 20], digest.clone()),
    ];
    for (content, digest) in uploads {
        not_taken(gateway.upload_bytes(content, &digest).await);
    }
    assert!(matches!(gateway.link.call(Call::Hold(hold.clone())).await, Answer::CatalogueWanted(_)));
    // A gateway that has a client elsewhere uploads nothing for this target.
    let mut stranger = Gateway::new(&node, "gateway-2").await;
    let upload = v1::UploadCatalogue {
        session_id: gateway.session.id.to_string(),
        session_proof: stranger.link.proof(&stranger.session.id.to_string()),
        database: "shop".into(),
        digest: digest.clone(),
        content: good,
    };
    not_taken(stranger.link.call_as_it_is(Call::UploadCatalogue(upload)).await);
    // The strictest reading: the name may be anything.
    hold.catalogue_refused = true;
    let held = approval(gateway.link.call(Call::Hold(hold)).await);
    let shown = details(&node, &held).await;
    assert_eq!(shown.basis.unwrap().catalogue, CatalogueStanding::Unknown);
    assert!(shown.rendering.contains("\ndefinitions of the database: not known\n"));
    assert_ne!(shown.facts, gateway.facts(&shown.command, &shown.context, Some(&catalogue)));
    // No alarm: it could not know.
    assert_eq!(alarms(&node).await, Vec::<String>::new());
}

/// Without the catalogue a view is any view: by no word of the gateway's a hold becomes a lighter one.
#[tokio::test]
async fn i7_unknown_a_gateway_that_withholds_its_catalogue_gets_the_strictest_reading() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let with = gateway.honest("DELETE FROM open", Some(&catalogue));
    let hold = v1::HoldCommand { catalogue_digest: Vec::new(), ..with };
    let held = approval(gateway.link.call(Call::Hold(hold)).await);
    let shown = details(&node, &held).await;
    let flags = shown.facts.operations.iter().flat_map(|one| &one.flags).map(|flag| flag.as_str());
    assert!(flags.collect::<Vec<_>>().contains(&"unresolved"), "{:?}", shown.facts);
    assert_eq!(alarms(&node).await, [STATED_LESS]);
}

#[tokio::test]
async fn another_node_and_a_later_start_find_the_catalogue_in_the_store() {
    let (mut bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let hold = gateway.honest("DELETE FROM payments", Some(&catalogue));
    approval(gateway.hold(hold, Some(&catalogue)).await);
    let other = bed.node().await;
    let mut there = Gateway::new(&other, "gateway-2").await;
    let hold = there.honest("DELETE FROM payments", Some(&catalogue));
    let held = approval(there.link.call(Call::Hold(hold)).await);
    assert_eq!(details(&other, &held).await.basis.unwrap().catalogue, CatalogueStanding::Agreed);
}

/// Every statement of the corpus, and what drivers send: the same facts by a gateway and here.
#[tokio::test]
async fn prepared_statements_and_function_calls_are_found_by_what_people_are_shown() {
    let (_bed, node) = bed().await;
    let catalogue = catalogue("payments");
    let mut gateway = Gateway::new(&node, "gateway-1").await;
    let named = |name: &str, text: &str| countersign_common::command::NamedText {
        name: name.into(),
        text: text.as_bytes().to_vec(),
        parameters: Vec::new(),
    };
    let texts = [
        (
            named(
                "prepared statement fix (parameter types as written)",
                "PREPARE fix AS DELETE FROM payments",
            ),
            "EXECUTE fix",
        ),
        (
            named("prepared statement fix (parameter types 23)", "DELETE FROM payments WHERE id = $1"),
            "EXECUTE fix",
        ),
        (named("cursor c", "DELETE FROM payments RETURNING id"), "FETCH ALL FROM c"),
    ];
    for (text, sent) in texts {
        let context = Context { texts: vec![text], ..gateway.context() };
        let hold = gateway.saying(sent, context.clone(), Some(&catalogue));
        let held = approval(gateway.hold(hold, Some(&catalogue)).await);
        assert_eq!(chains(&held), ["dba"], "{sent}");
    }
    let mut unseen = gateway.honest("EXECUTE fix", Some(&catalogue));
    unseen.facts =
        Some((&Facts { operations: vec![Operation::new(Action::Update)], ..Facts::nothing() }).into());
    approval(gateway.link.call(Call::Hold(unseen)).await);
    assert_eq!(alarms(&node).await, [STATED_LESS]);
    let mut forms = BTreeMap::new();
    for form in ["function_call", "execute", "bind", "something"] {
        let parameter = Parameter { type_name: "25".into(), binary: false, value: None, omitted: None };
        let command = Command { form: form.into(), text: "1234".into(), parameters: vec![parameter] };
        let facts = gateway.facts(&command, &gateway.context(), Some(&catalogue));
        forms.insert(form, facts.operations.iter().map(|one| one.action.as_str()).collect::<Vec<_>>());
    }
    assert_eq!(forms["function_call"], ["sql:function_call"]);
    assert_eq!(forms["something"], ["unknown"]);
    assert_eq!(forms["execute"], ["unknown"]);
}
