//! Puts the pages of docs/errors into the program, which serves them where problem documents point.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| *name != "README") {
            println!("cargo::rerun-if-changed={}", path.display());
            let place = fs::canonicalize(&path)?;
            let place = place.to_str().ok_or("the path of the pages is not UTF-8")?;
            pages.push((name.to_owned(), place.to_owned()));
        }
    }
    pages.sort();
    let mut code = String::from("&[\n");
    for (name, path) in pages {
        writeln!(code, "    ({name:?}, include_str!({path:?})),")?;
    }
    code.push_str("]\n");
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("error_pages.rs"), code)?;
    Ok(())
}
