// What the compiler lets pass and a reader would stumble over.
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist*", "bundled", "media", "scripts", "*.mjs"] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: "tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowNullish: true }],
      // An arrow that hands on a call is shorter than one with braces, and as clear.
      "@typescript-eslint/no-confusing-void-expression": "off",
    },
  },
  // node's runner waits for its tests itself.
  { files: ["test/**"], rules: { "@typescript-eslint/no-floating-promises": "off" } },
);
