/** The walls of the house. Each rule says in one sentence what it keeps. */
export default {
  forbidden: [
    {
      name: 'no-app-to-app',
      comment: 'An app could move to its own repository tomorrow: it talks to another over HTTP, never by import.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/([^/]+)/', pathNot: '^apps/$1/' },
    },
    {
      name: 'no-lib-to-app',
      comment: 'A library serves every app and so knows none.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'contracts-stand-alone',
      comment: 'What services say to each other must not depend on how any of them is built.',
      severity: 'error',
      from: { path: '^libs/contracts/' },
      to: { path: '^(apps|libs)/', pathNot: '^libs/contracts/' },
    },
    {
      name: 'core-without-nest',
      comment: 'A core must be usable, and testable, without the framework.',
      severity: 'error',
      from: { path: '/core/' },
      to: { path: '@nestjs/' },
    },
    {
      name: 'tlog-stands-alone',
      comment:
        'Whoever checks the trail must be able to read all that checks it: hashes, signatures, and what an event is.',
      severity: 'error',
      from: { path: '^libs/tlog/src/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^(libs/tlog/src/|libs/contracts/src/index\\.ts$|(node:)?crypto$)' },
    },
    {
      name: 'no-deep-imports-into-a-lib',
      comment:
        'A library is reached through its index, so that its inside can change; so are the samples that it ships.',
      severity: 'error',
      from: { pathNot: '^libs/' },
      to: { path: '^libs/', pathNot: '^libs/[^/]+/(src|samples/[^/]+)/index\\.ts$' },
    },
    {
      name: 'no-deep-imports-between-libs',
      comment: 'The same among libraries.',
      severity: 'error',
      from: { path: '^libs/([^/]+)/' },
      to: { path: '^libs/', pathNot: '(^libs/[^/]+/src/index\\.ts$|^libs/$1/)' },
    },
    {
      name: 'testing-stays-in-tests',
      comment: 'Test helpers must not end up in what runs.',
      severity: 'error',
      from: { path: '^(apps|libs)/[^/]+/src/', pathNot: '(\\.spec\\.ts$|^libs/testing/)' },
      to: { path: '^libs/(testing|embedded-postgres)/', pathNot: '^libs/embedded-postgres/src/' },
    },
    {
      name: 'samples-stay-out-of-what-runs',
      comment: 'Made-up data must not end up in what runs.',
      severity: 'error',
      from: { path: '^(apps|libs)/[^/]+/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^libs/[^/]+/samples/' },
    },
    {
      name: 'bench-measures-from-outside',
      comment: 'A bench looks at the house from outside: nothing in it may lean on one.',
      severity: 'error',
      from: { pathNot: '^(bench/|scripts/bench\\.ts$)' },
      to: { path: '^bench/' },
    },
    {
      name: 'bench-knows-schemas-only',
      comment:
        'What a bench measures of an app it reaches as others do; only its tables, and what needs no framework, it may use itself.',
      severity: 'error',
      from: { path: '^bench/' },
      to: {
        path: '^apps/',
        pathNot: [
          '^apps/[^/]+/migrations/',
          '/core/',
          '^apps/gatekeeper/src/tokens/(token-verifier|revocation-list)\\.ts$',
        ],
      },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or there is a third one missing.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unlisted-packages',
      comment: 'What is imported must be in package.json, or the next install breaks it.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'no-development-packages-in-production',
      comment: 'Production images carry no development dependencies.',
      severity: 'error',
      from: {
        path: '^(apps|libs)/[^/]+/(src|migrations)/',
        pathNot: '(\\.spec\\.ts$|^libs/(testing|embedded-postgres)/)',
      },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.gravitas)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
    },
  },
};
