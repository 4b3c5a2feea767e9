//! `connections` on the command line.

use clap::{Args, Subcommand};

/// `connections`.
#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// List connections: where they go, and where their credentials are found; never a value
    List,
    /// Make a harmless call with each connection and say what is wrong
    Test {
        /// Only this connection
        name: Option<String>,
    },
    /// Allow Postroom to act for an account, in a browser, and keep the tokens
    Login(Login),
    /// Forget the tokens of a connection
    Logout {
        /// The connection
        name: String,
    },
    /// Show how the access of connections with OAuth2 stands
    Status {
        /// Only this connection
        name: Option<String>,
    },
}

/// `connections login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The connection
    pub name: String,
    /// The port on this machine to which the browser comes back [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Listen to nothing: read the address at which the browser ended from standard input
    #[arg(long, alias = "no-browser")]
    pub paste: bool,
    /// Where the browser comes back to, if the provider takes no address of this machine
    #[arg(long, value_name = "URL", requires = "paste", conflicts_with = "port")]
    pub redirect: Option<String>,
    /// How long to wait for the browser, in seconds
    #[arg(long, value_name = "N", default_value_t = 600)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
}
