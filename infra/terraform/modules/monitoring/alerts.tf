# Alert policies on what Google sees from outside and on the log lines. Rules on the fleet's own metrics are in
# infra/monitoring.

locals {
  counted = { for key in keys(local.log_metrics) : key => "metric.type=\"logging.googleapis.com/user/${var.name}_${key}\"" }

  # `above` for `seconds`. Of counted lines: so many within `every` seconds.
  thresholds = {
    preemptions = {
      title    = "Many render machines are preempted"
      severity = "WARNING"
      filter   = "resource.type=\"gce_instance\" AND ${local.counted.preemptions}"
      aligner  = "ALIGN_DELTA"
      every    = 3600
      above    = max(3, floor(var.max_machines / 2))
      seconds  = 0
      says     = "Within an hour, half as many preemptions as the fleet has machines. Jobs go on elsewhere; each costs a start."
      runbook  = "no-machines-to-be-had"
    }
    gpu_faults = {
      title    = "GPUs do not encode"
      severity = "ERROR"
      filter   = "resource.type=\"gce_instance\" AND ${local.counted.gpu_faults}"
      aligner  = "ALIGN_DELTA"
      every    = 1800
      above    = 2
      seconds  = 0
      says     = "Render machines refuse work or give it back, since their GPU is missing, lost or cannot encode. The metric's label `code` says which."
      runbook  = "gpus"
    }
    runs_dead = {
      title    = "Flow runs die"
      severity = "WARNING"
      filter   = "resource.type=\"gce_instance\" AND ${local.counted.runs_dead}"
      aligner  = "ALIGN_DELTA"
      every    = 3600
      above    = max(5, var.max_machines)
      seconds  = 0
      says     = "Within an hour, more runs than the fleet has machines were found dead. They were put back; a job that crashes again and again fails."
      runbook  = "read-a-failed-job"
    }
    jobs_failed = {
      title    = "Jobs fail"
      severity = "ERROR"
      filter   = "resource.type=\"gce_instance\" AND ${local.counted.jobs_failed}"
      aligner  = "ALIGN_DELTA"
      every    = 1800
      above    = 20
      seconds  = 0
      says     = "More than 20 jobs have failed within half an hour. The metric's label `code` says why."
      runbook  = "read-a-failed-job"
    }
    fleet_at_maximum = {
      title    = "The fleet is at its maximum"
      severity = "WARNING"
      filter   = "resource.type=\"instance_group\" AND resource.labels.instance_group_name=\"${var.worker_group}\" AND metric.type=\"compute.googleapis.com/instance_group/size\""
      aligner  = "ALIGN_MEAN"
      every    = 300
      above    = var.max_machines - 0.5
      seconds  = 3600
      says     = "For an hour the fleet has had all ${var.max_machines} machines that it may have. If jobs wait, raise the maximum; if none do, look at what keeps it so large."
      runbook  = "scale-by-hand"
    }
    database_disk = {
      title    = "The database's disk is filling up"
      severity = "ERROR"
      filter   = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${var.database_instance}\" AND metric.type=\"cloudsql.googleapis.com/database/disk/utilization\""
      aligner  = "ALIGN_MEAN"
      every    = 300
      above    = 0.9
      seconds  = 900
      says     = "Over 90 % is used, although the disk grows by itself: has it reached its limit? Does Prefect still delete old runs and events?"
      runbook  = "the-api-does-not-answer"
    }
    database_cpu = {
      title    = "The database is busy"
      severity = "WARNING"
      filter   = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${var.database_instance}\" AND metric.type=\"cloudsql.googleapis.com/database/cpu/utilization\""
      aligner  = "ALIGN_MEAN"
      every    = 300
      above    = 0.8
      seconds  = 900
      says     = "For a quarter of an hour over 80 % of its cores were in use. Query insights show by what."
      runbook  = "the-api-does-not-answer"
    }
    redis_memory = {
      title    = "Redis is filling up"
      severity = "ERROR"
      filter   = "resource.type=\"redis_instance\" AND resource.labels.instance_id=\"projects/${var.project_id}/locations/${var.region}/instances/${basename(var.redis_instance)}\" AND metric.type=\"redis.googleapis.com/stats/memory/usage_ratio\""
      aligner  = "ALIGN_MEAN"
      every    = 300
      above    = 0.8
      seconds  = 600
      says     = "Over 80 % of its memory is used, where some MB are usual: do the services of Prefect's server read events? When it is full, writes are refused."
      runbook  = "the-api-does-not-answer"
    }
    api_unhealthy = {
      title    = "Prefect's API does not answer"
      severity = "CRITICAL"
      filter   = "resource.type=\"gce_instance_group\" AND ${local.counted.api_unhealthy}"
      aligner  = "ALIGN_DELTA"
      # A new machine is unhealthy until its API answers, which each of its two checks logs once: a first deployment,
      # and one that replaces both machines, are four lines. When the API is out, its machines are made anew and are
      # unhealthy again, which is eight within a quarter of an hour.
      every   = 900
      above   = 4
      seconds = 0
      says    = "Machines of Prefect's API fail their health checks again and again. Renders under way go on; nothing new begins while no machine answers."
      runbook = "the-api-does-not-answer"
    }
    secret_denied = {
      title    = "A secret was asked for and denied"
      severity = "CRITICAL"
      filter   = "resource.type=\"audited_resource\" AND ${local.counted.secret_denied}"
      aligner  = "ALIGN_DELTA"
      every    = 300
      above    = 0
      seconds  = 0
      says     = "Somebody without the right has asked for a secret of this deployment. The audit log names who."
      runbook  = "rotate-secrets"
    }
    secret_denied_own = {
      title    = "Machines are denied their secrets"
      severity = "ERROR"
      filter   = "resource.type=\"audited_resource\" AND ${local.counted.secret_denied_own}"
      aligner  = "ALIGN_DELTA"
      every    = 300
      above    = 0
      # IAM takes two minutes, and at times more than seven, until a new role counts; machines ask again meanwhile. So
      # this has to last a quarter of an hour, and is counted apart from strangers, who ask once.
      seconds = 900
      says    = "For a quarter of an hour, machines of this deployment have been denied a secret that they should read: their service account lacks its role."
      runbook = "the-api-does-not-answer"
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  project      = var.project_id
  display_name = "${var.name} alerts"
  type         = "email"
  labels       = { email_address = var.alert_email }
  user_labels  = var.labels
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each   = local.thresholds
  depends_on = [google_logging_metric.this]

  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [google_monitoring_notification_channel.email.id]
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "${each.value.seconds}s"

      aggregations {
        alignment_period     = "${each.value.every}s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.says}\n\nRunbook: ${var.runbook_url}#${each.value.runbook}"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

# Lines that do not come. A metric without lines is at first zero and then absent.
resource "google_monitoring_alert_policy" "autoscaler_silent" {
  depends_on = [google_logging_metric.this]

  project               = var.project_id
  display_name          = "${var.name}: The autoscaler does not decide"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [google_monitoring_notification_channel.email.id]
  user_labels           = var.labels

  conditions {
    display_name = "No decision within 10 minutes"

    condition_threshold {
      filter                  = "resource.type=\"gce_instance\" AND ${local.counted.decisions}"
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  conditions {
    display_name = "No figure for 10 minutes"

    condition_absent {
      filter   = "resource.type=\"gce_instance\" AND ${local.counted.decisions}"
      duration = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The autoscale flow decides every minute; for ten it has not, and the fleet keeps its size. Is the control machine there, and does Prefect's API answer?\n\nRunbook: ${var.runbook_url}#the-api-does-not-answer"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
