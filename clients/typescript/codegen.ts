import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: "src/*.ts",
  generates: {
    "src/generated/": {
      preset: "client",
      presetConfig: { persistedDocuments: { hashAlgorithm: "sha256" } },
      config: {
        documentMode: "string",
        enumType: "string-literal",
        importExtension: ".ts",
        defaultScalarType: "unknown",
        scalars: { DateTime: "string" },
        useTypeImports: true,
      },
    },
  },
};

export default config;
