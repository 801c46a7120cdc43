import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "operations.graphql",
  generates: {
    "src/preset/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: "string",
        enumType: "string-literal",
        importExtension: ".ts",
        strictScalars: true,
        scalars: { DateTime: "string", JSON: "unknown", Upload: "File" },
        useTypeImports: true,
      },
    },
  },
};

export default config;
