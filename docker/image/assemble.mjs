/**
 * `node docker/image/assemble.mjs APP|setup OUT`: copies what one image holds, besides its packages, from a compiled checkout
 * (the working directory) to OUT: compiled code of that app and of the libraries, the app's configuration files, and `main.js`.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What never runs in production. The embedded PostgreSQL comes along with setup, whose code can also start one. */
const NOT_IN_SERVICES = new Set(['testing', 'embedded-postgres']);
const NOT_IN_SETUP = new Set(['testing']);

function assemble(name, out) {
  const apps = existsSync('dist/apps') ? readdirSync('dist/apps') : [];
  if (apps.length === 0) throw new Error('There is no compiled app in dist/apps. Build first: npm run build');
  if (name !== 'setup' && !apps.includes(name)) {
    throw new Error(`There is no app "${name ?? ''}". Give the build argument APP one of: ${apps.sort().join(', ')}.`);
  }
  if (!out) throw new Error('Say where to: node docker/image/assemble.mjs APP OUT');
  mkdirSync(out, { recursive: true });
  writeManifest(out);
  if (name === 'setup') {
    copyLibraries(out, NOT_IN_SETUP);
    copy('dist/scripts/setup.js', out);
    copy('dist/scripts/stack', out);
    writeMain(out, './dist/scripts/setup.js');
    return;
  }
  copyLibraries(out, NOT_IN_SERVICES);
  copy(`dist/apps/${name}/src`, out);
  copy(`dist/apps/${name}/migrations`, out);
  if (existsSync(`apps/${name}/config`)) copy(`apps/${name}/config`, out);
  cpSync('docker/image/healthcheck.mjs', join(out, 'healthcheck.mjs'));
  writeMain(out, `./dist/apps/${name}/src/main.js`);
}

/** Only what Node reads of it at run time: module type, and where `#audit` and its like lie. */
function writeManifest(out) {
  const { name, version, license, type, imports } = JSON.parse(readFileSync('package.json', 'utf8'));
  const manifest = { name, version, private: true, license, type, imports };
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** A fixed name, because an exec-form CMD cannot hold a build argument. */
function writeMain(out, target) {
  writeFileSync(join(out, 'main.js'), `import '${target}';\n`);
}

function copyLibraries(out, without) {
  for (const library of readdirSync('dist/libs')) {
    if (!without.has(library)) copy(`dist/libs/${library}`, out);
  }
}

function copy(path, out) {
  cpSync(path, join(out, path), { recursive: true });
}

try {
  assemble(process.argv[2], process.argv[3]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
