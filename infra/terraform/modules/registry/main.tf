# Images. Machines are told one by its digest; a tag, once set, stays where it is.

resource "google_artifact_registry_repository" "this" {
  #checkov:skip=CKV_GCP_84:Encrypted with Google's keys; the image holds the program alone, nothing of a channel's.
  project                = var.project_id
  location               = var.region
  repository_id          = var.name
  description            = "Images of the trivia renderer."
  format                 = "DOCKER"
  labels                 = var.labels
  cleanup_policy_dry_run = false

  docker_config {
    immutable_tags = true
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  # A machine that is made anew pulls the image that it ran before, so the newest stay, by whichever policy.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = var.keep_images
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "${90 * 86400}s"
    }
  }
}

resource "google_artifact_registry_repository_iam_binding" "readers" {
  project    = var.project_id
  location   = google_artifact_registry_repository.this.location
  repository = google_artifact_registry_repository.this.repository_id
  role       = "roles/artifactregistry.reader"
  members    = var.readers
}

resource "google_artifact_registry_repository_iam_binding" "writers" {
  project    = var.project_id
  location   = google_artifact_registry_repository.this.location
  repository = google_artifact_registry_repository.this.repository_id
  role       = "roles/artifactregistry.writer"
  members    = var.writers
}
