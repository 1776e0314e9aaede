//! A cancel request comes on a connection of its own, which the balancer leads to any gateway.

use crate::stage::Stage;

#[test]
fn a_cancel_that_lands_on_another_gateway_finds_its_way() {
    let stage = Stage::new();
    let mut client = stage.client();
    client.send_insert("cancelled");
    let ticket = client.ticket();
    // The gateway that has the connection is the busiest: the balancer leads elsewhere.
    client.cancel(&stage.agent);
    let refused = client.outcome().unwrap().unwrap_err();
    assert!(refused.says_not_executed(), "{refused:?}");
    let shown = stage.cluster.cli_as(stage.cluster.approver(), &["requests", "show", &ticket]).unwrap();
    assert_eq!(shown["state"], "withdrawn", "{shown}");
    stage.pending(0);
    assert_eq!(stage.rows(), [""; 0]);
}
