/**
 * What a request may ask of the server. Where Kubernetes has a bound, it is that one; the others keep one process with everybody's
 * objects in it from being filled or held up.
 */

const MIB = 1024 * 1024;

/** Of a body (apiserver, `MaxRequestBodyBytes`). */
export const MAX_BODY_BYTES = 3 * MIB;
/** Of the bodies that are being read at one time. */
export const MAX_BODIES_BYTES = 64 * MIB;
/** Of an object as JSON (etcd, `--max-request-bytes`). */
export const MAX_OBJECT_BYTES = 1.5 * MIB;
/** Of a body in YAML that is not JSON: reading it takes a hundred times as long. */
export const MAX_YAML_BYTES = MIB / 4;
/** Of a body in protobuf, which is taken for small kinds only; two bytes of it can become an object. */
export const MAX_PROTOBUF_BYTES = MIB / 16;
/** Nothing that is kept is nested so deep. */
export const MAX_DEPTH = 100;
/** Of a JSON patch (apiserver, `maxJSONPatchOperations`). */
export const MAX_PATCH_OPERATIONS = 10_000;
/** Of what a JSON patch copies, as JSON (apiserver, `JSONPatchMaxCopyBytes`). */
export const MAX_COPIED_BYTES = 3 * MIB;
/** Items of lists that a JSON patch moves aside to insert and remove others. */
export const MAX_MOVED_ITEMS = 20_000_000;
/** Of the paths of an object's fields, in characters: fields that are many and nested deep have paths much longer than the object. */
export const MAX_PATH_CHARACTERS = 16 * MIB;
/** Managers that update an object, by name (apiserver, `maxUpdateManagers`); those that came first become one. */
export const MAX_UPDATE_MANAGERS = 10;
/** Faults and warnings that an answer lists; of the others it says how many. */
export const MAX_LISTED = 50;
/** Of one of them, in characters. */
export const MAX_LISTED_CHARACTERS = 512;
/** Of what all objects take of the heap. etcd has a bound for its own file likewise (`--quota-backend-bytes`). */
export const MAX_STORE_BYTES = 1024 * MIB;
/** Open at one time, of all clients. */
export const MAX_WATCHES = 4_096;
/** Of what one watch has to send that its client does not read. It comes back and lists. */
export const MAX_PENDING_BYTES = 16 * MIB;
/** Of all watches together; those that have more than {@link FEW_PENDING_BYTES} are let go. */
export const MAX_ALL_PENDING_BYTES = 128 * MIB;
export const FEW_PENDING_BYTES = MIB;
