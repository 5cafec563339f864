{{- define "equipoise.name" -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}
{{- define "equipoise.labels" -}}
app.kubernetes.io/name: equipoise
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "equipoise.selector" -}}
app.kubernetes.io/name: equipoise
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "equipoise.documents" -}}{{ .Values.existingConfigMap | default (printf "%s-documents" (include "equipoise.name" .)) }}{{- end }}
