//! Tests of wire from outside: published vectors, OpenSSL as a judge, and hostile bytes.
mod certificate;
mod chain;
mod cms;
mod csr;
mod est;
mod support;
mod vectors;
