{{- define "portmapper.labels" -}}
app.kubernetes.io/name: portmapper
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "portmapper.selector" -}}
app.kubernetes.io/name: portmapper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "portmapper.args" -}}
- kubernetes
- --identity=$(POD_NAME)
- --health-listen=0.0.0.0:{{ .Values.healthPort }}
- --state-dir=/var/lib/portmapper
- --log-format=json
- --annotation-prefix={{ .Values.annotationPrefix }}
{{- with .Values.leaderElection }}
- --leader-elect={{ .enabled }}
- --leader-elect-lease-duration={{ .leaseDuration }}
- --leader-elect-renew-deadline={{ .renewDeadline }}
- --leader-elect-retry-period={{ .retryPeriod }}
{{- end }}
- --leader-elect-resource-namespace={{ .Release.Namespace }}
{{- range .Values.namespaces }}
- --namespace={{ . }}
{{- end }}
- --policy={{ .Values.policy.mode }}
{{- range .Values.policy.ports }}
- --allow-ports={{ . }}
{{- end }}
{{- range .Values.policy.addresses }}
- --allow-address={{ . }}
{{- end }}
{{- if .Values.policy.overwrite }}
- --allow-overwrite
{{- end }}
{{- if .Values.settings }}
- --config=/etc/portmapper/portmapper.toml
{{- end }}
{{- range .Values.gateway }}
- --gateway={{ . }}
{{- end }}
{{- with .Values.loadBalancerClass }}
- --load-balancer-class={{ . }}
{{- end }}
{{- with .Values.class }}
- --class={{ . }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- range .Values.sources }}
- {{ . | quote }}
{{- end }}
{{- end }}
