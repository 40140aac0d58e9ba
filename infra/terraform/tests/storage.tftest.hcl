# What is kept how long, and who may touch it.

mock_provider "google" {}

variables {
  project_id          = "example-project"
  name                = "trivia"
  location            = "us-central1"
  labels              = { app = "trivia" }
  worker_member       = "serviceAccount:worker@example.com"
  control_member      = "serviceAccount:control@example.com"
  operators           = ["group:video@example.com"]
  soft_delete_days    = 7
  deletion_protection = true
}

run "buckets" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition = {
      for rule in google_storage_bucket.media.lifecycle_rule :
      one(rule.condition).matches_prefix[0] => one(rule.condition).age if one(rule.action).type == "Delete"
    } == { "jobs/" = 30, "speech/" = 30, "tmp/" = 1 }
    error_message = "Jobs and speech go after 30 days, temporary objects after one; videos stay for ever."
  }

  assert {
    condition = {
      for rule in google_storage_bucket.work.lifecycle_rule :
      one(rule.condition).matches_prefix[0] => one(rule.condition).age if one(rule.action).type == "Delete"
    } == { "clips/" = 7, "results/" = 7, "tmp/" = 1 }
    error_message = "Clips and results go after 7 days, temporary objects after one."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.media, google_storage_bucket.work] : anytrue([
        for rule in bucket.lifecycle_rule :
        one(rule.action).type == "AbortIncompleteMultipartUpload" && one(rule.condition).age == 1
      ])
    ])
    error_message = "Uploads that were never finished are paid for until they are aborted."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.media, google_storage_bucket.work] :
      bucket.uniform_bucket_level_access && bucket.public_access_prevention == "enforced"
    ])
    error_message = "No object of a bucket can be made public."
  }

  assert {
    condition     = google_storage_bucket.work.soft_delete_policy[0].retention_duration_seconds == 0
    error_message = "The work bucket keeps nothing that was deleted."
  }

  assert {
    condition     = google_storage_bucket.media.soft_delete_policy[0].retention_duration_seconds == 604800
    error_message = "A video that was deleted by mistake can be restored for a week."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.media, google_storage_bucket.work] :
      !bucket.versioning[0].enabled && !bucket.force_destroy
    ])
    error_message = "No bucket keeps versions, and none is deleted with its objects."
  }
}

run "access" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition = jsondecode(google_storage_bucket_iam_policy.work.policy_data) == {
      bindings = [
        { role = "roles/storage.objectUser", members = ["serviceAccount:worker@example.com"] },
        { role = "projects/example-project/roles/trivia_bucket_keeper", members = ["projectOwner:example-project"] },
      ]
    }
    error_message = "The worker alone reads and writes the work bucket."
  }

  assert {
    condition = toset(flatten([
      for binding in jsondecode(google_storage_bucket_iam_policy.media.policy_data).bindings :
      binding.members if binding.role == "roles/storage.objectUser" && try(binding.condition, null) == null
    ])) == toset(["serviceAccount:worker@example.com"])
    error_message = "The worker alone writes everywhere in the media bucket, videos above all."
  }

  assert {
    condition = alltrue([
      for binding in jsondecode(google_storage_bucket_iam_policy.media.policy_data).bindings :
      contains(["roles/storage.objectUser", "roles/storage.objectViewer", "projects/example-project/roles/trivia_bucket_keeper"], binding.role)
    ])
    error_message = "Nobody but the project's owners manages the media bucket."
  }

  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.keeper.permissions : startswith(permission, "storage.buckets.")])
    error_message = "Whoever manages a bucket sees none of its objects."
  }

  assert {
    condition = alltrue([
      for binding in jsondecode(google_storage_bucket_iam_policy.media.policy_data).bindings :
      !strcontains(try(binding.condition.expression, ""), "/objects/videos/") &&
      alltrue([
        for part in split(" || ", try(binding.condition.expression, "")) :
        part == "" || can(regex("^resource\\.name\\.startsWith\\(\"projects/_/buckets/example-project-trivia-media/objects/(jobs|assets|fleet|tmp)/\"\\)$", part))
      ])
    ])
    error_message = "Control machine and operators write jobs, assets and the fleet's records, never videos."
  }

  assert {
    condition     = google_storage_bucket_iam_policy.work.bucket == "example-project-trivia-work" && google_storage_bucket_iam_policy.media.bucket == "example-project-trivia-media"
    error_message = "Each policy is its own bucket's."
  }
}

run "without_operators" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    operators = []
  }

  assert {
    condition     = length(jsondecode(google_storage_bucket_iam_policy.media.policy_data).bindings) == 4
    error_message = "No binding without members: Cloud Storage refuses it."
  }
}
