# Two buckets. What lasts lies in the media bucket, what can be made again in the work bucket. How long each
# prefix is kept is part of the storage layout (trivia_render/storage/keys.py), not a choice of a deployment.
#
# Without a rule, so kept for ever, are in the media bucket:
#   videos/  finished videos and their manifests
#   assets/  images, by the hash of their bytes: a job of today may use the object that a job uploaded a year
#            ago, and age counts from the upload
#   fleet/   small; the maintenance flow deletes records of workers that are gone, and the ledger is the book
#            of what was spent
#
# No versions are kept. Finished files are never overwritten; what is overwritten, a status or a lease (every
# 20 s), is worth nothing afterwards. What was deleted by mistake comes back by soft deletion.

locals {
  media_days = {
    "jobs/"   = 30
    "speech/" = 30
    # `trivia doctor` tries its store with an object here.
    "tmp/" = 1
  }
  work_days = {
    "clips/"   = 7
    "results/" = 7
    "tmp/"     = 1
  }

  media_bucket = "${var.project_id}-${var.name}-media"
  work_bucket  = "${var.project_id}-${var.name}-work"
  objects      = "projects/_/buckets/${local.media_bucket}/objects"
}

resource "google_storage_bucket" "media" {
  #checkov:skip=CKV_GCP_78:No versions: see above. Soft deletion restores what was deleted by mistake.
  #checkov:skip=CKV_GCP_62:Data access is logged by audit logs where the project turns them on; a log bucket would log every renewal of a lease.
  project                     = var.project_id
  name                        = local.media_bucket
  location                    = var.location
  storage_class               = "STANDARD"
  labels                      = var.labels
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  dynamic "lifecycle_rule" {
    for_each = local.media_days
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = [lifecycle_rule.key]
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }
}

resource "google_storage_bucket" "work" {
  #checkov:skip=CKV_GCP_78:All of it can be made again, and is deleted within a week.
  #checkov:skip=CKV_GCP_62:All of it can be made again; one identity alone reads and writes it.
  project                     = var.project_id
  name                        = local.work_bucket
  location                    = var.location
  storage_class               = "STANDARD"
  labels                      = var.labels
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = false
  }

  # Clips are most of all bytes: deleted ones would be paid for another week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  dynamic "lifecycle_rule" {
    for_each = local.work_days
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = [lifecycle_rule.key]
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }
}

# --- Who may do what. Both policies are whole: whatever else is granted on a bucket is taken away at the next
# apply, and with it what Cloud Storage grants by itself to the project's owners, editors and viewers. Owners
# manage a bucket by such a grant alone, so they get one back, without the objects: else the second apply could
# not even read the bucket.

resource "google_project_iam_custom_role" "keeper" {
  project     = var.project_id
  role_id     = replace("${var.name}_bucket_keeper", "-", "_")
  title       = "Bucket keeper (${var.name})"
  description = "Manages a bucket and who may use it; sees none of its objects."
  permissions = [
    "storage.buckets.get",
    "storage.buckets.getIamPolicy",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
  ]
}

locals {
  keepers = {
    role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.keeper.role_id}"
    members = ["projectOwner:${var.project_id}"]
  }
}

# Prefect's results lie here, and a process that reads them trusts them.
resource "google_storage_bucket_iam_policy" "work" {
  bucket = google_storage_bucket.work.name
  policy_data = jsonencode({
    bindings = [
      { role = "roles/storage.objectUser", members = [var.worker_member] },
      local.keepers,
    ]
  })
}

# Listing takes the whole bucket, so everybody here reads all of it. Only the worker writes videos and speech.
resource "google_storage_bucket_iam_policy" "media" {
  bucket = google_storage_bucket.media.name
  policy_data = jsonencode({
    bindings = concat(
      [
        local.keepers,
        { role = "roles/storage.objectUser", members = [var.worker_member] },
        { role = "roles/storage.objectViewer", members = sort(concat([var.control_member], var.operators)) },
        {
          role    = "roles/storage.objectUser"
          members = [var.control_member]
          condition = {
            title      = "jobs, fleet"
            expression = join(" || ", [for part in ["jobs/", "fleet/", "tmp/"] : "resource.name.startsWith(\"${local.objects}/${part}\")"])
          }
        },
      ],
      length(var.operators) == 0 ? [] : [
        {
          role    = "roles/storage.objectUser"
          members = sort(var.operators)
          condition = {
            title      = "jobs, assets, fleet"
            expression = join(" || ", [for part in ["jobs/", "assets/", "fleet/", "tmp/"] : "resource.name.startsWith(\"${local.objects}/${part}\")"])
          }
        },
      ],
    )
  })
}
