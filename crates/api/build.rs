//! Generates the gRPC code from `proto/`, without protoc, and the descriptor set for reflection.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let package = root.join("countersign/v1");
    println!("cargo:rerun-if-changed={}", package.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&package)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    let descriptors = protox::compile(files, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("countersign.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .btree_map(".")
        // There are many records: a line is not copied out of its message.
        .bytes(".countersign.v1.RecordLine.line")
        .bytes(".countersign.v1.RecordLine.session_proof")
        .compile_fds(descriptors)?;
    Ok(())
}
