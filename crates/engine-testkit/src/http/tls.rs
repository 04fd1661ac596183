//! An authority of its own for each server, and a certificate for the loopback address from it.
//!
//! X.509 as far as one certificate needs it (RFC 5280), so that no library has to come along for it.

use std::{io, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// What a server shows, and what its clients are to trust.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    /// In PEM.
    pub(super) authority: String,
}

impl Identity {
    /// Makes two fresh keys and a certificate of each.
    pub(super) fn make() -> io::Result<Self> {
        let random = SystemRandom::new();
        let authority = Key::make(&random)?;
        let server = Key::make(&random)?;
        let root = certificate(&authority, &authority, "testkit authority", true, &random)?;
        let leaf = certificate(&server, &authority, "testkit", false, &random)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(leaf)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.pkcs8)),
            )
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: pem(&root) })
    }
}

struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl Key {
    fn make(random: &SystemRandom) -> io::Result<Self> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, random).map_err(no_randomness)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), random).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self { pkcs8: pkcs8.as_ref().to_vec(), pair })
    }
}

fn no_randomness(_: ring::error::Unspecified) -> io::Error {
    io::Error::other("the system's random number generator failed")
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const BOOLEAN: u8 = 0x01;
/// `[0]` and `[3]`, explicit; `[2]` (a DNS name) and `[7]` (an address), implicit.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;

/// ecdsa-with-SHA256, id-ecPublicKey, prime256v1, commonName, basicConstraints, subjectAltName.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// One value: its tag, its length, its content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        _ => {
            let first = length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1);
            out.push(0x80 | (length.len() - first) as u8);
            out.extend_from_slice(&length[first..]);
        }
    }
    out.extend_from_slice(content);
    out
}

fn all(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    value(tag, &parts.concat())
}

fn bits(content: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], content].concat())
}

fn name(common: &str) -> Vec<u8> {
    let attribute = all(SEQUENCE, &[value(OBJECT, COMMON_NAME), value(UTF8, common.as_bytes())]);
    all(SEQUENCE, &[all(SET, &[attribute])])
}

fn certificate(of: &Key, by: &Key, common: &str, authority: bool, random: &SystemRandom) -> io::Result<Vec<u8>> {
    let algorithm = all(SEQUENCE, &[value(OBJECT, ECDSA_SHA256)]);
    let key_algorithm = all(SEQUENCE, &[value(OBJECT, EC_KEY), value(OBJECT, P256)]);
    let extension = if authority {
        let is_one = all(SEQUENCE, &[value(BOOLEAN, &[0xff])]);
        vec![value(OBJECT, BASIC_CONSTRAINTS), value(BOOLEAN, &[0xff]), value(OCTET_STRING, &is_one)]
    } else {
        let names = all(SEQUENCE, &[value(DNS_NAME, b"localhost"), value(ADDRESS, &[127, 0, 0, 1])]);
        vec![value(OBJECT, ALTERNATIVE_NAME), value(OCTET_STRING, &names)]
    };
    let extensions = all(SEQUENCE, &[all(SEQUENCE, &extension)]);
    let content = all(
        SEQUENCE,
        &[
            value(VERSION, &value(INTEGER, &[2])),
            value(INTEGER, &[if authority { 1 } else { 2 }]),
            algorithm.clone(),
            name("testkit authority"),
            // Whatever the time of the machine: the keys live as long as the server.
            all(SEQUENCE, &[value(UTC_TIME, b"200101000000Z"), value(UTC_TIME, b"491231235959Z")]),
            name(common),
            all(SEQUENCE, &[key_algorithm, bits(of.pair.public_key().as_ref())]),
            value(EXTENSIONS, &extensions),
        ],
    );
    let signature = by.pair.sign(random, &content).map_err(no_randomness)?;
    Ok(all(SEQUENCE, &[content, algorithm, bits(signature.as_ref())]))
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut lines = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for start in (0..text.len()).step_by(64) {
        lines.push_str(&text[start..text.len().min(start + 64)]);
        lines.push('\n');
    }
    lines + "-----END CERTIFICATE-----\n"
}
