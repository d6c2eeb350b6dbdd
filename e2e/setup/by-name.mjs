import Sequencer from '@jest/test-sequencer';

/** Runs the suite's files in the order of their names: installing comes first, uninstalling last. */
// Depending on how it is loaded, the class is the import itself or one level down.
export default class ByName extends (Sequencer.default ?? Sequencer) {
  sort(tests) {
    return [...tests].sort((a, b) => a.path.localeCompare(b.path));
  }
}
