{{/* Labels of everything in this chart. */}}
{{- define "mesh.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mesh
{{ include "mesh.operatorSelector" . }}
{{- end }}

{{/* Labels that select the operator's pods. They can never change: a Deployment's selector is immutable. */}}
{{- define "mesh.operatorSelector" -}}
app.kubernetes.io/name: mesh-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Name of an image: (list $ .Values.operator.image) */}}
{{- define "mesh.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- with $root.Values.imageRegistry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .) $image.repository -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{- define "mesh.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What the restricted pod security standard asks of a pod. */}}
{{- define "mesh.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 15778
runAsGroup: 15778
fsGroup: 15778
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What it asks of a container, and a file system nobody can write to. */}}
{{- define "mesh.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The MeshConfig's spec, as the operator gets it. */}}
{{- define "mesh.config" -}}
{{- $spec := pick .Values.mesh "trustDomain" "datacenter" "defaultAction" "leafTTL" -}}
{{- if .Values.mesh.federation -}}{{- $spec = set $spec "federation" .Values.mesh.federation -}}{{- end -}}
{{- if .Values.mesh.ca -}}{{- $spec = set $spec "ca" .Values.mesh.ca -}}{{- end -}}
{{- toJson $spec -}}
{{- end }}
