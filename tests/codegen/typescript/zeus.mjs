// Writes graphql-zeus's client through its API: the command line of 7.2.1 does not start.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Parser } from "graphql-js-tree";
import { TreeToTS } from "graphql-zeus-core";

const tree = Parser.parse(readFileSync("schema.graphql", "utf8"));
mkdirSync("src/zeus", { recursive: true });
writeFileSync("src/zeus/index.ts", TreeToTS.resolveTree({ tree, env: "node", host: "http://127.0.0.1/graphql", esModule: false }));
