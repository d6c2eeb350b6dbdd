// node --import ./scripts/nothing-of-linux.fake.mjs PROGRAM   the program meets what it would not find on macOS
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { Module, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/** Every use of what only Linux has fails, as it would elsewhere, and is told on standard error. */
function absent(what, code) {
  process.stderr.write(`only on Linux: ${what}\n`);
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/** What is looked for, and done without where it is missing. */
const isOptional = (path) => /^\/proc\/\d+\/stat$/.test(String(path));
const isOfLinux = (path) => /^\/(proc|sys)(\/|$)/.test(String(path));
for (const home of [fs, fs.promises]) {
  for (const name of [
    'readFileSync',
    'readFile',
    'openSync',
    'open',
    'existsSync',
    'readdir',
    'readdirSync',
    'readlinkSync',
  ]) {
    const real = home[name];
    if (!real) continue;
    home[name] = function (path, ...rest) {
      if (isOptional(path)) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      if (isOfLinux(path)) throw absent(`${name} ${path}`, 'ENOENT');
      return real.call(this, path, ...rest);
    };
  }
}

for (const name of ['spawn', 'spawnSync', 'execFile', 'execFileSync']) {
  const real = childProcess[name];
  childProcess[name] = function (program, ...rest) {
    if (/(^|\/)(ip|ip6?tables.*|nft|sysctl|nsenter|unshare)$/.test(program))
      throw absent(`run ${program}`, 'ENOENT');
    return real.call(this, program, ...rest);
  };
}

const load = Module._load;
Module._load = function (request, ...rest) {
  if (request === 'koffi' || request.includes('/koffi/'))
    throw absent('call the C library', 'ERR_DLOPEN_FAILED');
  return load.call(this, request, ...rest);
};

/** macOS has one address in 127.0.0.0/8 until root adds others. */
const isForeignLoopback = (host) => typeof host === 'string' && /^127\./.test(host) && host !== '127.0.0.1';
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const host = typeof args[0] === 'object' ? args[0]?.host : args[1];
  if (isForeignLoopback(host)) throw absent(`listen on ${host}`, 'EADDRNOTAVAIL');
  return listen.apply(this, args);
};
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  for (const host of [options?.host, options?.localAddress])
    if (isForeignLoopback(host)) throw absent(`connect with ${host}`, 'EADDRNOTAVAIL');
  return connect.apply(this, args);
};

syncBuiltinESMExports();
