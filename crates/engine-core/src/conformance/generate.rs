//! The suite of [`Generator`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Layout;
use super::report::{Broken, Outcome, Report, Suite, contract, require, same};
use crate::{
    EntryKind, Error, GenerateRequest, Generator, Input, MemoryTree, Place, Problems, Rendering, Result, Revision,
    Tree, TreePath,
};

contract! { "../generate.rs";
    DETECTS = "Whether this generator is the one for that directory";
    ORDER = "The objects, in the order of files and documents.";
    PURE = "A pure function of the request: no network, no clock, no environment, no files but the tree's.";
    INPUTS = "Every tree and blob that was read, sorted.";
    CACHE_KEY = "The same inputs and parameters give the same objects, so this is a cache key, and it tells which commits do not matter.";
    ALL_ERRORS = "All errors of all files are reported together, each with file and line.";
    NO_OBJECTS = "An error means no objects at all.";
    HOSTILE = "Hostile input (deep nesting, aliases that explode, huge files) costs an error.";
}

/// A directory that a generator renders, and what comes of it.
#[derive(Clone, Debug)]
pub struct Sample {
    layout: Layout,
    path: TreePath,
    objects: Vec<String>,
    read: Vec<TreePath>,
    largest: usize,
}

impl Sample {
    /// A directory `app` of four ConfigMaps in three files of YAML, with things around it that are none of its
    /// business: for generators of plain directories.
    ///
    /// # Errors
    /// Never; the signature is that of the calls that it is made of.
    pub fn directory() -> Result<Self> {
        let layout = Layout::new()
            .file("app/a.yaml", config_map("a"))?
            .file("app/b.yaml", format!("# two\n---\n{}---\n{}", config_map("c"), config_map("b")))?
            .file("app/d.yaml", config_map("d"))?
            .file("app-two/a.yaml", config_map("two"))?
            .file("README.md", "# Shop\n")?
            .file("broken.yaml", "a: [\n")?;
        let names = ["a", "c", "b", "d"].map(|name| format!("ConfigMap {name}"));
        Self::new(layout, "app", names)?.reads("app/a.yaml")?.reads("app/b.yaml")
    }

    /// Files, the directory of them that is rendered, and the identities of the objects in order, as
    /// [`ObjectId`](crate::ObjectId) displays them.
    ///
    /// # Errors
    /// When the path leaves the tree.
    pub fn new(layout: Layout, path: &str, objects: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let objects = objects.into_iter().map(Into::into).collect();
        Ok(Self { layout, path: TreePath::parse(path)?, objects, read: Vec::new(), largest: 10 << 20 })
    }

    /// A file that the generator reads as YAML manifests on its own. What the suite breaks, it breaks there: with two
    /// such files it also finds out whether one bad file hides the other.
    ///
    /// # Errors
    /// When the path leaves the tree.
    pub fn reads(mut self, path: &str) -> Result<Self> {
        self.read.push(TreePath::parse(path)?);
        Ok(self)
    }

    /// The size of the largest file that the generator accepts, in bytes: 10 MiB unless told otherwise.
    #[must_use]
    pub fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: '1'\n")
}

/// Holds a [`Generator`] against its contract, on trees in memory.
pub async fn generator(generator: &dyn Generator, sample: &Sample) -> Report {
    let bench = Bench { generator, sample };
    let mut suite = Suite::new("Generator");
    suite.case("generator_detects_its_directory", DETECTS, || bench.detects());
    suite.run("generator_renders_in_order", ORDER, bench.order()).await;
    suite.run("generator_renders_the_same_twice", PURE, bench.twice()).await;
    suite.run("generator_names_its_inputs", INPUTS, bench.inputs()).await;
    suite.run("generator_inputs_are_a_cache_key", CACHE_KEY, bench.cache_key()).await;
    suite.run("generator_reports_all_errors_with_their_places", ALL_ERRORS, bench.errors()).await;
    suite.run("generator_gives_no_objects_with_an_error", NO_OBJECTS, bench.missing()).await;
    suite.run("generator_bounds_aliases", HOSTILE, bench.hostile("aliases that explode", aliases)).await;
    suite.run("generator_bounds_depth", HOSTILE, bench.hostile("deep nesting", || "[".repeat(200_000).into())).await;
    suite.run("generator_bounds_depth_of_maps", HOSTILE, bench.hostile("deep maps", deep_maps)).await;
    let huge = || vec![b'#'; sample.largest + 1];
    suite.run("generator_bounds_size", HOSTILE, bench.hostile("a file above the limit", huge)).await;
    let no_text = || b"apiVersion: v1\nkind: \xff\xfe\n".to_vec();
    suite.run("generator_refuses_what_is_no_text", HOSTILE, bench.hostile("what is no text", no_text)).await;
    suite.run("generator_stays_in_the_tree", PURE, bench.links()).await;
    suite.report()
}

/// Nine levels of nine aliases each.
fn aliases() -> Vec<u8> {
    let mut text = "l0: &l0 [x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*l{}", level - 1); 9].join(", ");
        text.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
    }
    text.push_str("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n");
    text.into_bytes()
}

fn deep_maps() -> Vec<u8> {
    let mut text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deep}\ndata: ".to_owned();
    text.push_str(&"{a: ".repeat(100_000));
    text.push_str(&"}".repeat(100_000));
    text.into_bytes()
}

struct Bench<'a> {
    generator: &'a dyn Generator,
    sample: &'a Sample,
}

fn ids(rendering: &Rendering) -> Vec<String> {
    rendering.objects.iter().map(|object| object.id().to_string()).collect()
}

type Shown = (Vec<(String, Place, crate::Digest)>, Vec<Input>);

/// All of a rendering that must not depend on anything but the inputs.
fn shown(rendering: &Rendering) -> Shown {
    let objects = rendering.objects.iter();
    let objects = objects.map(|object| (object.id().to_string(), object.place.clone(), object.manifest.digest()));
    (objects.collect(), rendering.inputs.clone())
}

impl Bench<'_> {
    fn tree(&self) -> Result<MemoryTree> {
        self.sample.layout.to_memory(Revision::new("conformance"))
    }

    async fn render(&self, tree: MemoryTree, path: &TreePath) -> Result<Rendering, Problems> {
        self.generator.generate(GenerateRequest::new(Arc::new(tree), path.clone(), "conformance")).await
    }

    async fn good(&self) -> Result<Rendering, Broken> {
        Ok(self.render(self.tree()?, &self.sample.path).await?)
    }

    fn detects(&self) -> Outcome {
        require(!self.generator.name().is_empty(), || "the generator has no name".to_owned())?;
        let tree = self.tree()?;
        same("detects of its own directory", &self.generator.detects(&tree, &self.sample.path)?, &true)?;
        let detected = self.generator.detects(&tree, &TreePath::parse("not/in/the/tree")?);
        require(!matches!(detected, Ok(true)), || "it detects a directory that is not there".to_owned())
    }

    async fn order(&self) -> Outcome {
        same("the objects", &ids(&self.good().await?), &self.sample.objects)
    }

    async fn twice(&self) -> Outcome {
        let first = self.good().await?;
        same("the second rendering", &shown(&self.good().await?), &shown(&first))
    }

    async fn inputs(&self) -> Outcome {
        let (rendering, tree) = (self.good().await?, self.tree()?);
        require(!rendering.inputs.is_empty(), || "there are objects and no inputs".to_owned())?;
        let ascending = rendering.inputs.windows(2).all(|pair| pair[0] < pair[1]);
        require(ascending, || format!("the inputs are not sorted, or twice there: {:?}", rendering.inputs))?;
        for input in &rendering.inputs {
            let id = tree.entry(&input.path)?.map(|entry| entry.id);
            same(&format!("the id of {} in the tree", input.path), &id.as_ref(), &Some(&input.id))?;
        }
        for object in &rendering.objects {
            let file = &object.place.file;
            let read = rendering.inputs.iter().any(|input| file.below(&input.path).is_some());
            require(read, || format!("{} comes from {file}, which is no input", object.id()))?;
        }
        Ok(())
    }

    async fn cache_key(&self) -> Outcome {
        let mut seen = BTreeMap::<Vec<Input>, Vec<_>>::new();
        let good = shown(&self.good().await?);
        seen.insert(good.1, good.0);
        // Each file in turn is changed, removed and joined by another; what renders is compared by its inputs.
        for (path, kind, content) in self.sample.layout.files().filter(|(_, kind, _)| *kind == EntryKind::File) {
            let _ = kind;
            let text = String::from_utf8_lossy(content).replace("'1'", "'2'") + "\n# changed\n";
            let beside = format!("{path}.conformance.yaml");
            let without = self.without(path)?;
            let variants = [
                self.tree()?.file(path.as_str(), text)?,
                without.to_memory(Revision::new("conformance"))?,
                self.tree()?.file(&beside, config_map("beside"))?,
            ];
            for tree in variants {
                let Ok(rendering) = self.render(tree, &self.sample.path).await else { continue };
                let (objects, inputs) = shown(&rendering);
                let known = seen.entry(inputs).or_insert_with(|| objects.clone());
                require(*known == objects, || {
                    format!("after a change of or beside {path} the inputs are the same and the objects are others")
                })?;
            }
        }
        // Outside of the directory nothing matters that was not read.
        let outside = self.tree()?.file("conformance-elsewhere/x.yaml", config_map("elsewhere"))?;
        let rendering = self.render(outside, &self.sample.path).await?;
        same("the objects after a change elsewhere", &ids(&rendering), &self.sample.objects)
    }

    fn without(&self, path: &TreePath) -> Result<Layout> {
        self.sample.layout.files().filter(|(other, ..)| *other != path).try_fold(
            Layout::new(),
            |layout, (path, kind, content)| match kind {
                EntryKind::Symlink => layout.symlink(path.as_str(), &String::from_utf8_lossy(content)),
                _ => layout.file(path.as_str(), content.clone()),
            },
        )
    }

    async fn errors(&self) -> Outcome {
        if self.sample.read.is_empty() {
            return Ok(());
        }
        let mut tree = self.tree()?;
        for path in &self.sample.read {
            tree = tree.file(path.as_str(), format!("{}---\nmetadata: {{name: nameless}}\n", config_map("good")))?;
        }
        let Err(problems) = self.render(tree, &self.sample.path).await else {
            return Err("a document without apiVersion and kind was rendered".to_owned().into());
        };
        for path in &self.sample.read {
            let place = |error: &Error| error.place().cloned().filter(|place| place.file == *path);
            let place = problems.errors().iter().find_map(place);
            let place = place.ok_or_else(|| format!("no error names {path}: {problems}"))?;
            // The second document begins there.
            require(place.line.is_some_and(|line| line >= 7), || {
                format!("the error in {path} is said to be in line {:?}, it is in line 8", place.line)
            })?;
        }
        Ok(())
    }

    async fn missing(&self) -> Outcome {
        let rendered = self.render(self.tree()?, &TreePath::parse("not/in/the/tree")?).await;
        match rendered {
            Err(problems) => {
                require(!problems.errors().is_empty(), || "there are problems, and none of them".to_owned())
            }
            Ok(_) => Err("a directory that is not there was rendered".to_owned().into()),
        }
    }

    async fn hostile(&self, what: &'static str, content: impl Fn() -> Vec<u8> + Send) -> Outcome {
        let Some(path) = self.sample.read.first() else { return Ok(()) };
        let tree = self.tree()?.file(path.as_str(), content())?;
        match self.render(tree, &self.sample.path).await {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("{what} cost no error").into()),
        }
    }

    async fn links(&self) -> Outcome {
        let Some(path) = self.sample.read.first() else { return Ok(()) };
        let directory = path.parent();
        for target in ["../../../../../../../../etc/passwd", "/etc/passwd", "conformance-link.yaml", "../.."] {
            let link = directory.join("conformance-link.yaml")?;
            let tree = self.tree()?.symlink(link.as_str(), target)?;
            // An error is right, and so is leaving it out; what is not is an object that comes from nowhere.
            if let Ok(rendering) = self.render(tree, &self.sample.path).await {
                same(&format!("the objects beside a link to {target}"), &ids(&rendering), &self.sample.objects)?;
            }
        }
        Ok(())
    }
}
