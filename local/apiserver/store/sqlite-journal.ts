import { chmodSync, closeSync, openSync } from 'node:fs';

import Database from 'libsql';

import type { Entry, Journal } from './journal.ts';

/** Another process has the file open. */
export class DataInUse extends Error {
  override readonly name = 'DataInUse';
}

/** The file is there, and is not a journal of this version. */
export class DataUnreadable extends Error {
  override readonly name = 'DataUnreadable';
}

const SCHEMA_VERSION = 1;
const TABLES = `
  create table if not exists objects (resource text, key text, object text not null, primary key (resource, key)) without rowid;
  create table if not exists counter (id integer primary key check (id = 1), version integer not null);
  insert or ignore into counter values (1, 0);
  pragma user_version = ${SCHEMA_VERSION};
`;

/**
 * A journal in one SQLite file, readable by its owner only. Every write is a transaction that is on the disk before it
 * returns, so neither kill -9 nor a power cut loses one that was answered. The file is locked while it is open.
 *
 * @throws DataInUse, DataUnreadable
 */
export function sqliteJournal(file: string): Journal {
  // SQLite gives its side files the mode of the file itself.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const database = open(file);
  const put = database.prepare('insert or replace into objects values (?, ?, ?)');
  const drop = database.prepare('delete from objects where resource = ? and key = ?');
  const count = database.prepare('update counter set version = ? where id = 1');
  const write = database.transaction(({ resource, key, text }: Entry, version: number) => {
    if (text === undefined) drop.run(resource, key);
    else put.run(resource, key, text);
    count.run(version);
  });
  return {
    load: () => ({
      version: (database.prepare('select version from counter').get() as { version: number }).version,
      entries: database.prepare('select resource, key, object as text from objects').all() as Entry[],
    }),
    write: (entry, version) => void write(entry, version),
    close: () => {
      // The library keeps the file open until its statements are collected, so the lock is given back by hand; what is left is one file.
      database.pragma('journal_mode = delete');
      database.pragma('locking_mode = normal');
      database.prepare('select version from counter').get();
      database.close();
    },
  };
}

function open(file: string): Database.Database {
  try {
    const database = new Database(file, { timeout: 0 });
    database.pragma('locking_mode = exclusive');
    database.pragma('journal_mode = wal');
    database.pragma('synchronous = full');
    const [{ user_version: found = 0 } = {}] = database.pragma('user_version') as { user_version?: number }[];
    if (found > SCHEMA_VERSION)
      throw new DataUnreadable(
        `${file} was written by a newer version of mesh; run that one, or give another --data`,
      );
    database.exec(TABLES);
    return database;
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: string };
    const text = `${typeof code === 'string' ? code : ''} ${message ?? ''}`;
    if (/BUSY|locked/i.test(text))
      throw new DataInUse(`${file} is in use by another process`, { cause: error });
    if (/NOTADB|CORRUPT|malformed|not a database/i.test(text))
      throw new DataUnreadable(`${file} is not data of mesh dev, or is damaged: ${message ?? ''}`, {
        cause: error,
      });
    throw error;
  }
}
