# Secrets without values, and images that stay what they are.

mock_provider "google" {}

run "secrets" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    project_id           = "example-project"
    name                 = "trivia"
    location             = "us-central1"
    labels               = { app = "trivia" }
    prefect_auth_readers = ["serviceAccount:worker@example.com", "serviceAccount:api@example.com"]
    database_url_readers = ["serviceAccount:api@example.com"]
    deletion_protection  = true
  }

  assert {
    condition = output.versions == {
      prefect-auth = "projects/example-project/secrets/trivia-prefect-auth/versions/latest"
      database-url = "projects/example-project/secrets/trivia-database-url/versions/latest"
    }
    error_message = "Machines ask for the latest version."
  }

  assert {
    condition = alltrue([
      for binding in google_secret_manager_secret_iam_binding.readers : binding.role == "roles/secretmanager.secretAccessor"
    ])
    error_message = "Readers read values: they neither add nor destroy any."
  }

  assert {
    condition     = google_secret_manager_secret_iam_binding.readers["database-url"].members == toset(["serviceAccount:api@example.com"])
    error_message = "The database's URL is for its clients alone."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : secret.deletion_protection])
    error_message = "A secret is not deleted by mistake."
  }
}

run "images" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    project_id = "example-project"
    name       = "trivia"
    region     = "us-central1"
    labels     = { app = "trivia" }
    readers    = ["serviceAccount:worker@example.com"]
    writers    = ["serviceAccount:deployer@example.com"]
  }

  assert {
    condition     = output.repository_url == "us-central1-docker.pkg.dev/example-project/trivia"
    error_message = "Images are pulled from the machines' own region."
  }

  assert {
    condition     = google_artifact_registry_repository.this.docker_config[0].immutable_tags
    error_message = "A tag, once set, stays where it is."
  }

  assert {
    condition = { for policy in google_artifact_registry_repository.this.cleanup_policies : policy.id => policy.action } == {
      keep-newest = "KEEP"
      delete-old  = "DELETE"
    } && !google_artifact_registry_repository.this.cleanup_policy_dry_run
    error_message = "Old images go, the newest stay."
  }

  assert {
    condition     = [for policy in google_artifact_registry_repository.this.cleanup_policies : one(policy.most_recent_versions).keep_count if policy.action == "KEEP"] == [30]
    error_message = "Ten images stay, of which a push with provenance makes three versions each."
  }

  assert {
    condition     = google_artifact_registry_repository_iam_binding.writers.members == toset(["serviceAccount:deployer@example.com"])
    error_message = "The deployer alone pushes images."
  }
}
