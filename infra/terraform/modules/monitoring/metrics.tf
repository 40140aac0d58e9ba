# Metrics from logs. What the containers say in JSON is in jsonPayload, by the names of
# trivia_render/telemetry/logs.py: the machines' Fluent Bit is told so. The rest are Google's own logs.

locals {
  containers = "resource.type=\"gce_instance\" AND logName=\"projects/${var.project_id}/logs/cos_containers\""
  by_code    = { code = "EXTRACT(jsonPayload.error_code)" }
  no_label   = {}
  # Who of the machines should read a secret.
  own = {
    for id, emails in var.secret_readers :
    id => "protoPayload.authenticationInfo.principalEmail=(${join(" OR ", [for email in emails : "\"${email}\""])})"
  }

  log_metrics = {
    preemptions = {
      description = "Render machines that were preempted."
      filter      = "resource.type=\"gce_instance\" AND logName=\"projects/${var.project_id}/logs/cloudaudit.googleapis.com%2Fsystem_event\" AND protoPayload.methodName=\"compute.instances.preempted\" AND protoPayload.resourceName:\"/instances/${var.worker_group}-\""
      labels      = local.no_label
    }
    gpu_faults = {
      description = "GPUs that are missing, lost or cannot encode, by code: refused workers and faults at work."
      filter      = "${local.containers} AND jsonPayload.error_code=(\"gpu_missing\" OR \"gpu_lost\" OR \"driver_too_old\" OR \"nvenc_sessions_exhausted\" OR \"encoder_unavailable\") AND jsonPayload.event=(\"worker_refused\" OR \"machine_faulted\")"
      labels      = local.by_code
    }
    runs_dead = {
      description = "Flow runs that the maintenance flow found dead: of lost workers, or crashed."
      filter      = "${local.containers} AND jsonPayload.event=(\"run_lost\" OR \"run_crashed\")"
      labels      = local.no_label
    }
    jobs_failed = {
      description = "Jobs that have failed, by code."
      filter      = "${local.containers} AND jsonPayload.event=\"job_ended\" AND jsonPayload.error_code:*"
      labels      = local.by_code
    }
    errors = {
      description = "Errors of any kind, by code."
      filter      = "${local.containers} AND jsonPayload.error_code:* AND severity>=ERROR"
      labels      = local.by_code
    }
    decisions = {
      description = "Decisions of the autoscale flow."
      filter      = "${local.containers} AND jsonPayload.event=\"fleet_decided\""
      labels      = local.no_label
    }
    api_unhealthy = {
      description = "Machines of Prefect's API that became unhealthy."
      filter      = "resource.type=\"gce_instance_group\" AND logName=\"projects/${var.project_id}/logs/compute.googleapis.com%2Fhealthchecks\" AND resource.labels.instance_group_name=\"${var.api_group}\" AND jsonPayload.healthCheckProbeResult.healthState=\"UNHEALTHY\""
      labels      = local.no_label
    }
    secret_denied = {
      description = "Refused readings of the deployment's secrets by anybody who should not read them."
      filter      = "resource.type=\"audited_resource\" AND logName=\"projects/${var.project_id}/logs/cloudaudit.googleapis.com%2Fdata_access\" AND protoPayload.serviceName=\"secretmanager.googleapis.com\" AND protoPayload.status.code=7 AND (${join(" OR ", [for id, emails in var.secret_readers : "(protoPayload.resourceName:\"/secrets/${id}\" AND NOT ${local.own[id]})"])})"
      labels      = local.no_label
    }
    secret_denied_own = {
      description = "Refused readings of the deployment's secrets by its own machines."
      filter      = "resource.type=\"audited_resource\" AND logName=\"projects/${var.project_id}/logs/cloudaudit.googleapis.com%2Fdata_access\" AND protoPayload.serviceName=\"secretmanager.googleapis.com\" AND protoPayload.status.code=7 AND (${join(" OR ", [for id, emails in var.secret_readers : "(protoPayload.resourceName:\"/secrets/${id}\" AND ${local.own[id]})"])})"
      labels      = local.no_label
    }
  }
}

resource "google_logging_metric" "this" {
  for_each = local.log_metrics

  project          = var.project_id
  name             = "${var.name}_${each.key}"
  description      = each.value.description
  filter           = each.value.filter
  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = each.value.description

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key         = labels.key
        value_type  = "STRING"
        description = "error_code of the line."
      }
    }
  }
}
