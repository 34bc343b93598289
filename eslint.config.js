import tseslint from 'typescript-eslint';

/** Files are named after the one idea inside, in kebab-case; a suffix such as `.test` may follow. */
const kebabCase = {
  meta: { type: 'suggestion', messages: { name: '`{{name}}` is not kebab-case' }, schema: [] },
  create: (context) => ({
    Program(node) {
      const name = context.filename.split('/').at(-1) ?? '';
      if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)+$/.test(name))
        context.report({ node, messageId: 'name', data: { name } });
    },
  }),
};

/** Every export says in TSDoc what it is. */
const documentedExports = {
  meta: { type: 'suggestion', messages: { missing: 'an export needs a TSDoc comment' }, schema: [] },
  create(context) {
    const documented = (node) =>
      context.sourceCode.getCommentsBefore(node).some((c) => c.type === 'Block' && c.value.startsWith('*'));
    // The comment of an overloaded function stands before its first signature.
    const nameOf = (node) => node.declaration?.id?.name;
    const seen = new Set();
    return {
      ExportNamedDeclaration(node) {
        if (node.declaration === null || node.declaration === undefined) return;
        const name = nameOf(node);
        if (documented(node)) seen.add(name);
        else if (name === undefined || !seen.has(name)) context.report({ node, messageId: 'missing' });
      },
    };
  },
};

const clocks = [
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Randomness is passed in.' },
  { selector: "Identifier[name='Date']", message: 'The clock is passed in.' },
  { selector: "MemberExpression[object.name='performance']", message: 'The clock is passed in.' },
];

const language = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
  { selector: 'TSEnumDeclaration', message: 'Use a union, or a const object.' },
  { selector: "TSModuleDeclaration[kind='namespace']", message: 'Use a module.' },
];

export default tseslint.config(
  { ignores: ['**/node_modules/', '**/dist/', '.tools/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['packages/**/*.ts', 'script/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { postern: { rules: { 'kebab-case': kebabCase, 'documented-exports': documentedExports } } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...language],
      'postern/kebab-case': 'error',
      'postern/documented-exports': 'error',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              package: 'node:test',
              name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'],
            },
          ],
        },
      ],
    },
  },
  {
    // The protocol is pure: clock and randomness are passed in, and one file knows node:crypto.
    files: ['packages/protocol/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testdata/**'],
    rules: {
      'no-restricted-syntax': ['error', ...language, ...clocks],
    },
  },
  {
    files: ['packages/protocol/src/**/*.ts'],
    ignores: ['packages/protocol/src/crypto.ts', '**/*.test.ts', '**/*.bench.ts', '**/testdata/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        'process',
        'Buffer',
        'crypto',
        'setTimeout',
        'setInterval',
        'setImmediate',
        'queueMicrotask',
        'fetch',
      ],
      'no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: '^(node:|crypto$)', message: 'Only crypto.ts imports from Node, and only node:crypto.' }],
        },
      ],
    },
  },
  {
    // Tests may print, and hand odd things to what they test.
    files: ['**/*.test.ts', '**/*.fixture.ts', '**/testdata/**', '**/testing/**', 'packages/testkit/**/*.ts'],
    rules: { 'no-console': 'off', '@typescript-eslint/require-await': 'off', 'postern/documented-exports': 'off' },
  },
);
