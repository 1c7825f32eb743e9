"""The operators' HTTP API: who may, what is asked, what is answered."""
