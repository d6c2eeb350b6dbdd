#!/usr/bin/env node
// Entry of the npm scripts that must work on a fresh clone: installs the dependencies when they are missing or the
// lock file changed, then runs what was asked. Plain JavaScript without dependencies, since nothing is installed yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`mesh needs Node.js 20.19 or later; this is ${process.version}.`);
}

installDependencies();

const [task, ...args] = process.argv.slice(2);
if (task === 'jest') {
  exit(run('node', ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...args]));
} else if (task === 'test' || task === 'check' || task === 'demo') {
  exit(run('node_modules/.bin/tsx', [`scripts/${task}.ts`, ...args]));
} else {
  fail(`unknown task ${JSON.stringify(task)}; see the scripts in package.json.`);
}

function installDependencies() {
  const marker = 'node_modules/.installed-from';
  const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
  console.log('Installing dependencies (npm ci) ...');
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) fail('npm ci failed; its output is above.');
  writeFileSync(marker, wanted);
}

function run(command, commandArgs) {
  const { status, error } = spawnSync(command, commandArgs, { stdio: 'inherit' });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  return status ?? 1;
}

function exit(status) {
  process.exitCode = status;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
