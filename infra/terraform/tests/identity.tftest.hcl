# Who may do what in the whole project.

mock_provider "google" {}

variables {
  project_id     = "example-project"
  name           = "trivia"
  operators      = ["group:video@example.com"]
  administrators = ["user:sre@example.com"]
}

run "machines" {
  command = plan

  module {
    source = "./modules/identity"
  }

  assert {
    condition     = output.emails["worker"] == "trivia-worker@example-project.iam.gserviceaccount.com"
    error_message = "Service accounts are named by what they do."
  }

  assert {
    condition = toset([for grant in google_project_iam_member.machine : grant.role]) == toset([
      "roles/logging.logWriter", "roles/monitoring.metricWriter",
    ])
    error_message = "In the project a machine writes logs and metrics, and no more."
  }

  assert {
    condition = google_project_iam_custom_role.fleet.permissions == toset([
      "compute.autoscalers.get",
      "compute.instanceGroupManagers.get",
      "compute.instanceGroupManagers.list",
      "compute.instanceGroupManagers.update",
      "compute.regionOperations.get",
    ])
    error_message = "The control machine may size instance groups, and no more."
  }

  assert {
    condition     = google_project_iam_member.control_fleet.member == output.members["control"]
    error_message = "The control machine alone sizes the fleet."
  }
}

run "people" {
  command = plan

  module {
    source = "./modules/identity"
  }

  assert {
    condition = {
      for grant in google_project_iam_member.tunnel : grant.member => grant.condition[0].expression
      } == {
      (output.members["deployer"]) = "destination.port == 4200"
      "group:video@example.com"    = "destination.port == 4200 || destination.port == 4300"
      "user:sre@example.com"       = "destination.port == 22 || destination.port == 4200 || destination.port == 4300"
    }
    error_message = "Tunnels lead to the API and the dashboard; to a shell for administrators alone."
  }

  assert {
    condition = { for grant in google_project_iam_member.people_view : "${grant.member} ${grant.role}" => true } == {
      for pair in setproduct(
        ["group:video@example.com", "user:sre@example.com"],
        ["roles/logging.viewer", "roles/monitoring.viewer", "roles/serviceusage.serviceUsageConsumer"],
      ) : "${pair[0]} ${pair[1]}" => true
    }
    error_message = "People see logs and metrics, and may use the project as the one whose quota counts."
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.shell : grant.member]) == toset(["user:sre@example.com"])
    error_message = "Administrators alone log in to machines."
  }

  assert {
    condition     = toset([for grant in google_service_account_iam_member.shell : grant.member]) == toset(["user:sre@example.com"])
    error_message = "Administrators alone act as a machine."
  }

  assert {
    condition     = alltrue([for grant in google_service_account_iam_member.shell : !endswith(grant.service_account_id, "/trivia-deployer@example-project.iam.gserviceaccount.com") && grant.role == "roles/iam.serviceAccountUser"])
    error_message = "Nobody acts as the deployer, which is for Cloud Build and CI."
  }

  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.finder.permissions : can(regex("[.](get|list)$", permission))])
    error_message = "Whoever opens a tunnel can look at machines, and change none."
  }
}
