import tseslint from 'typescript-eslint';

/** What is part of the sidecar does without the schema library: that would be a third of the program, in every pod. */
const noSchemas = {
  files: ['{base,sidecar,kube,pki,core/policy}/**/*.ts', 'core/model/mesh-settings.ts'],
  ignores: ['**/*.test.ts', '**/*.fake.ts', '**/*.suite.ts'],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        paths: [
          { name: 'zod', allowTypeImports: true, message: 'The sidecar reads without a schema library.' },
        ],
        patterns: [
          {
            regex: '/model/(federation|intention|mesh-config|mesh-service|status)\\.ts$',
            allowTypeImports: true,
            message: 'This module brings the schema library into the sidecar; import its types only.',
          },
        ],
      },
    ],
  },
};

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
  },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        {
          selector: "ImportDeclaration[source.value='zod'] > ImportSpecifier",
          message: "Use `import * as z from 'zod'`: the other form bundles every locale.",
        },
        {
          selector: "CallExpression[callee.name='it'], MemberExpression[object.name='it']",
          message: 'Write test.',
        },
      ],
      complexity: ['error', 15],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
      'max-lines': ['error', 400],
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.test.ts', '**/*.fake.ts', '**/*.suite.ts', 'e2e/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // What a server answers is JSON of any form; the tests say which.
    files: ['local/apiserver/contract/**/*.ts'],
    rules: { '@typescript-eslint/no-unsafe-call': 'off', '@typescript-eslint/no-unsafe-return': 'off' },
  },
  noSchemas,
);
