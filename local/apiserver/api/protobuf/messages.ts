/**
 * What kubectl and Go's clients send in protobuf, as far as it is taken here: field numbers and types from Kubernetes'
 * `generated.proto` files, names as in its JSON. A type with `[]` is a list, one with `{}` a map from texts; `server` is what
 * the server sets itself, whatever was sent. What is not described here is refused, never left out.
 */
export const MESSAGES: Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>> = {
  Unknown: {
    typeMeta: [1, 'TypeMeta'],
    raw: [2, 'bytes'],
    contentEncoding: [3, 'string'],
    contentType: [4, 'string'],
  },
  TypeMeta: { apiVersion: [1, 'string'], kind: [2, 'string'] },
  ObjectMeta: {
    name: [1, 'string'],
    generateName: [2, 'string'],
    namespace: [3, 'string'],
    selfLink: [4, 'string'],
    uid: [5, 'string'],
    resourceVersion: [6, 'string'],
    generation: [7, 'server number'],
    creationTimestamp: [8, 'server'],
    labels: [11, 'string{}'],
    annotations: [12, 'string{}'],
    ownerReferences: [13, 'OwnerReference[]'],
    finalizers: [14, 'string[]'],
  },
  OwnerReference: {
    kind: [1, 'string'],
    name: [3, 'string'],
    uid: [4, 'string'],
    apiVersion: [5, 'string'],
    controller: [6, 'bool'],
    blockOwnerDeletion: [7, 'bool'],
  },
  ObjectReference: {
    kind: [1, 'string'],
    namespace: [2, 'string'],
    name: [3, 'string'],
    uid: [4, 'string'],
    apiVersion: [5, 'string'],
    resourceVersion: [6, 'string'],
    fieldPath: [7, 'string'],
  },
  LocalObjectReference: { name: [1, 'string'] },
  DeleteOptions: {
    gracePeriodSeconds: [1, 'int64'],
    preconditions: [2, 'Preconditions'],
    orphanDependents: [3, 'bool'],
    propagationPolicy: [4, 'string'],
    dryRun: [5, 'string[]'],
  },
  Preconditions: { uid: [1, 'string'], resourceVersion: [2, 'string'] },

  Namespace: { metadata: [1, 'ObjectMeta'], spec: [2, 'NamespaceSpec'], status: [3, 'server'] },
  NamespaceSpec: { finalizers: [1, 'string[]'] },
  ServiceAccount: {
    metadata: [1, 'ObjectMeta'],
    secrets: [2, 'ObjectReference[]'],
    imagePullSecrets: [3, 'LocalObjectReference[]'],
    automountServiceAccountToken: [4, 'bool'],
  },
  ConfigMap: {
    metadata: [1, 'ObjectMeta'],
    data: [2, 'string{}'],
    binaryData: [3, 'bytes{}'],
    immutable: [4, 'bool'],
  },
  Secret: {
    metadata: [1, 'ObjectMeta'],
    data: [2, 'bytes{}'],
    type: [3, 'string'],
    stringData: [4, 'string{}'],
    immutable: [5, 'bool'],
  },

  Role: { metadata: [1, 'ObjectMeta'], rules: [2, 'PolicyRule[]'] },
  ClusterRole: { metadata: [1, 'ObjectMeta'], rules: [2, 'PolicyRule[]'] },
  PolicyRule: {
    verbs: [1, 'string[]'],
    apiGroups: [2, 'string[]'],
    resources: [3, 'string[]'],
    resourceNames: [4, 'string[]'],
    nonResourceURLs: [5, 'string[]'],
  },
  RoleBinding: { metadata: [1, 'ObjectMeta'], subjects: [2, 'Subject[]'], roleRef: [3, 'RoleRef'] },
  ClusterRoleBinding: { metadata: [1, 'ObjectMeta'], subjects: [2, 'Subject[]'], roleRef: [3, 'RoleRef'] },
  Subject: { kind: [1, 'string'], apiGroup: [2, 'string'], name: [3, 'string'], namespace: [4, 'string'] },
  RoleRef: { apiGroup: [1, 'string'], kind: [2, 'string'], name: [3, 'string'] },

  TokenRequest: {
    metadata: [1, 'ObjectMeta'],
    spec: [2, 'TokenRequestSpec'],
    status: [3, 'server'],
  },
  TokenRequestSpec: {
    audiences: [1, 'string[]'],
    boundObjectRef: [3, 'BoundObjectReference'],
    expirationSeconds: [4, 'int64'],
  },
  BoundObjectReference: {
    kind: [1, 'string'],
    apiVersion: [2, 'string'],
    name: [3, 'string'],
    uid: [4, 'string'],
  },
  SelfSubjectReview: { metadata: [1, 'ObjectMeta'], status: [2, 'server'] },
  SelfSubjectAccessReview: {
    metadata: [1, 'ObjectMeta'],
    spec: [2, 'SelfSubjectAccessReviewSpec'],
    status: [3, 'server'],
  },
  SelfSubjectAccessReviewSpec: {
    resourceAttributes: [1, 'ResourceAttributes'],
    nonResourceAttributes: [2, 'NonResourceAttributes'],
  },
  ResourceAttributes: {
    namespace: [1, 'string'],
    verb: [2, 'string'],
    group: [3, 'string'],
    version: [4, 'string'],
    resource: [5, 'string'],
    subresource: [6, 'string'],
    name: [7, 'string'],
  },
  NonResourceAttributes: { path: [1, 'string'], verb: [2, 'string'] },
};
