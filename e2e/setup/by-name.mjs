import Sequencer from '@jest/test-sequencer';

/** Runs the suite's files in the order of their names: installing comes first, uninstalling last. */
export default class ByName extends Sequencer.default {
  sort(tests) {
    return [...tests].sort((a, b) => a.path.localeCompare(b.path));
  }
}
