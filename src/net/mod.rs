//! The IP host, TLS, HTTP and MQTT that run over the user plane.
