//! AMQP over TLS: the broker's certificate is verified, and ours is shown.

use chiasm_tests::certificates::Certificates;
use chiasm_tests::rabbitmq::RabbitMq;
use worker::config::site::{QueueConfig, TlsConfig};
use worker::lane::Lane;
use worker::queue::{Disposition, RabbitMqQueue};

use super::{Place, message, next, rabbitmq, until_empty};

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = Certificates::make(folder.path()) else { return };
    let Some(broker) = tokio::task::block_in_place(|| RabbitMq::start_tls(&certificates)) else { return };
    let port = broker.tls_address().port();
    let ours = TlsConfig {
        ca_file: Some(certificates.file("ca.pem")),
        client_certificate_file: Some(certificates.file("client.pem")),
        client_key_file: Some(certificates.file("client.key")),
    };

    let mut with_password = rabbitmq(&format!("amqps://chiasm@localhost:{port}/%2f"));
    with_password.tls = ours.clone();
    let mut by_certificate = rabbitmq(&format!("amqps://127.0.0.1:{port}/%2f"));
    by_certificate.tls = ours.clone();
    by_certificate.password = None;
    for config in [&with_password, &by_certificate] {
        let queue = Place::of(QueueConfig::RabbitMq(config.clone())).open().await;
        queue.publish(&message(Lane::Stat, 1)).await.unwrap();
        let mut consumer = queue.consume(Lane::Stat, 1).await.unwrap();
        next(&mut consumer).await.receipt.settle(Disposition::Ack).await.unwrap();
        until_empty(&queue).await;
    }

    let mut mistrusting = with_password.clone();
    mistrusting.tls.ca_file = Some(certificates.file("other-ca.pem"));
    let mut unknown = with_password.clone();
    unknown.tls.client_certificate_file = None;
    unknown.tls.client_key_file = None;
    for (config, what) in [(mistrusting, "another authority"), (unknown, "no certificate of ours")] {
        let error = RabbitMqQueue::connect(&config).await.expect_err(what).to_string();
        assert!(error.contains("certificates do not fit"), "{what}: {error}");
    }
}
