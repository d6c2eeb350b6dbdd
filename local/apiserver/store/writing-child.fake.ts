import { ObjectStore } from './object-store.ts';
import { sqliteJournal } from './sqlite-journal.ts';

/** Writes one object after another to the file given, and says the number of each once it is acknowledged, until it is killed. */
const [, , file = '', from = '0'] = process.argv;
const store = new ObjectStore(sqliteJournal(file));
let number = Number(from);
const step = (): void => {
  for (let i = 0; i < 5; i++) {
    number += 1;
    const name = `n${number % 50}`;
    const previous = store.get('/configmaps', name);
    if (number % 7 === 0 && previous) store.remove('/configmaps', previous);
    else
      store.put('/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { number } });
    process.stdout.write(`${number}\n`);
  }
  setImmediate(step);
};
step();
