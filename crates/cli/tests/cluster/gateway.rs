//! The death of a gateway.

use countersign_testkit::Part;

use crate::client::Client;
use crate::stage::Stage;

const CLIENTS: usize = 100;

#[test]
fn i1_the_clients_of_a_killed_gateway_join_their_approvals_elsewhere_and_each_command_runs_once() {
    let mut stage = Stage::new();
    stage.leave_one_gateway();
    let ids: Vec<String> = (0..CLIENTS).map(|number| format!("row-{number:03}")).collect();
    let mut waiting: Vec<(Client, String)> = ids
        .iter()
        .map(|id| {
            let mut client = stage.client();
            client.send_insert(id);
            let ticket = client.ticket();
            (client, ticket)
        })
        .collect();
    stage.pending(CLIENTS);
    for number in [1, 2] {
        stage.cluster.start_again(Part::Gateway(number)).unwrap();
    }
    stage.cluster.kill(Part::Gateway(0)).unwrap();

    for ((client, ticket), id) in waiting.iter_mut().zip(&ids) {
        assert!(client.outcome().is_err(), "the connection outlived its gateway");
        *client = stage.client();
        client.send_insert(id);
        assert_eq!(client.ticket(), *ticket, "{id} was asked for anew");
    }
    assert_eq!(stage.pending(CLIENTS).len(), CLIENTS);
    assert_eq!(stage.rows(), [""; 0], "something ran that nobody agreed to");
    for (_, ticket) in &waiting {
        stage.cluster.approve(ticket).unwrap();
    }
    for (client, _) in &mut waiting {
        client.expect_ran();
    }
    assert_eq!(stage.rows(), ids);
}
